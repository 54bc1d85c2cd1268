import { join } from "node:path";
import { cacheFolder, isCheckout, packageVersion } from "../config/paths.ts";

/** Folder of the native libraries and programs; ACCLLM_NATIVE_DIR overrides where the set-up builds them. */
export function nativeFolder(): string {
  if (process.env.ACCLLM_NATIVE_DIR) return process.env.ACCLLM_NATIVE_DIR;
  // Versions of an installed package share a cache and have libraries of their own.
  return join(cacheFolder(), isCheckout() ? "native" : `native-${packageVersion()}`);
}

/** The emulator's library. */
export function emulatorLibraryPath(): string {
  return join(nativeFolder(), "libaccllm_emu.so");
}

/** What tells of a crash inside XRT or the emulator. */
export function guardLibraryPath(): string {
  return join(nativeFolder(), "libaccllm_guard.so");
}

/** The program that opens a library and a device in a process of its own. */
export function probeProgramPath(): string {
  return join(nativeFolder(), "accllm_probe");
}
