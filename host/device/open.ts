import { existsSync } from "node:fs";
import { defaultEngine, type EngineName } from "../config/engine.ts";
import { DeviceError } from "../errors.ts";
import { requireAccess, requireCard } from "./card-access.ts";
import type { Device } from "./device.ts";
import { type Machine, thisMachine } from "./machine.ts";
import { emulatorLibraryPath } from "./native.ts";
import { ensureNative } from "./native-build.ts";
import { parseDeviceSpecification } from "./specification.ts";
import { XrtDevice } from "./xrt/device.ts";
import { enterMode, xrtEnvironment } from "./xrt/emulation-mode.ts";
import { requireXrtEnvironment, xrtLibraryPath } from "./xrt/environment.ts";
import { openLibrary } from "./xrt/library.ts";
import { probeDevice } from "./xrt/probe.ts";
import { requireRelease } from "./xrt/versions.ts";

export interface OpenOptions {
  /** Engine of the emulator; default {@link defaultEngine}. */
  readonly engine?: EngineName | undefined;
  /** Threads of the emulator's fast engine; default ACCLLM_THREADS, else one a core. */
  readonly threads?: number | undefined;
  /** Bitstream that is going to be loaded: it decides whether XRT opens a card or its own emulation. */
  readonly xclbin?: string | undefined;
  /** Library to use instead of the one that the specification means; for tests. */
  readonly libraryPath?: string;
  /** Where cards and environment are looked up; default this computer. */
  readonly machine?: Machine;
}

/**
 * Opens a device: "emulator", "xrt:<index>" or "xrt:<PCIe address>". A card's library and device are opened in a
 * child process first, because XRT ends the process on some errors.
 * @throws UsageError DEVICE_UNKNOWN; DeviceError EMULATOR_NOT_BUILT, NO_CARD, CARD_UNKNOWN, XRT_NOT_INSTALLED,
 *   XRT_TOO_OLD, XRT_ENVIRONMENT, XRT_MODE_FIXED, NO_DRIVER, CARD_NOT_READY, NO_PERMISSION, XRT_CRASHED, XRT_TIMEOUT,
 *   XRT_LIBRARY_NOT_LOADED, XRT_SYMBOL_MISSING, DEVICE_NOT_OPENED; InputError XCLBIN_UNREADABLE, XCLBIN_INVALID.
 */
export async function openDevice(text: string, options: OpenOptions = {}): Promise<Device> {
  const specification = parseDeviceSpecification(text);
  if (options.libraryPath === undefined) await ensureNative();
  if (specification.kind === "emulator") {
    const path = options.libraryPath ?? emulatorLibraryPath();
    if (!existsSync(path)) {
      throw new DeviceError("EMULATOR_NOT_BUILT", `The emulator's library ${path} does not exist.`, {
        hint: "Run `npm run build` in the checkout; it needs cmake and a C++ compiler.",
      });
    }
    return openEmulator(path, options);
  }
  const { address } = specification;
  const machine = options.machine ?? thisMachine;
  const environment = xrtEnvironment(options.xclbin, machine.environment);
  // XRT's emulation modes have a device without a card.
  const emulated = environment.XCL_EMULATION_MODE !== "";
  const card = emulated ? undefined : await requireCard(address, machine);
  const path = options.libraryPath ?? xrtLibraryPath(environment);
  requireRelease(path);
  requireXrtEnvironment(environment);
  if (card !== undefined) await requireAccess(card, machine);
  await probeDevice(path, address, environment);
  enterMode(path, environment);
  const name = emulated ? `XRT (${environment.XCL_EMULATION_MODE})` : (card?.shell ?? text);
  return new XrtDevice(openLibrary(path), address, name, card, machine);
}

function openEmulator(path: string, { engine = defaultEngine(), threads }: OpenOptions): Device {
  // The emulator looks this up when a device runs for the first time.
  if (threads !== undefined) process.env.ACCLLM_THREADS = String(threads);
  const device = new XrtDevice(openLibrary(path), { index: 0 }, `emulator (${engine})`);
  if (device.library.emulator?.accllmEmuSetEngine(device.handle, engine) === 0) return device;
  device.close();
  throw new DeviceError("EMULATOR_ENGINE", `The emulator's library ${path} has no engine "${engine}".`, {
    hint: "Run `npm run build` again.",
  });
}
