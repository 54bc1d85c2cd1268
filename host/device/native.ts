import { existsSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The package's root: the closest folder above this file whose package.json is ours. */
function packageRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  for (;;) {
    const manifest = join(folder, "package.json");
    if (existsSync(manifest) && /"name":\s*"accllm"/.test(readFileSync(manifest, "utf8"))) return folder;
    const parent = dirname(folder);
    if (parent === folder) throw new Error("accllm's package.json is not above its own code.");
    folder = parent;
  }
}

/** Folder of the native libraries and programs; ACCLLM_NATIVE_DIR overrides the package's own build/native. */
export function nativeFolder(): string {
  return process.env.ACCLLM_NATIVE_DIR ?? join(packageRoot(), "build", "native");
}

/** The emulator's library. */
export function emulatorLibraryPath(): string {
  return join(nativeFolder(), "libaccllm_emu.so");
}

/** The program that opens a library and a device in a process of its own. */
export function probeProgramPath(): string {
  return join(nativeFolder(), "accllm_probe");
}
