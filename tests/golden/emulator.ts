import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { EngineName } from "../../host/config/engine.ts";
import type { Device } from "../../host/device/device.ts";
import { emulatorLibraryPath } from "../../host/device/native.ts";
import { openDevice } from "../../host/device/open.ts";
import { emulationXclbin } from "../../host/device/xclbin/index.ts";
import { platforms } from "../../quant/format/platform.ts";

/** Golden tests need the emulator; where it is not built they are skipped by this. */
export const emulatorBuilt = existsSync(emulatorLibraryPath());

/** The emulator with a platform's xclbin loaded; the caller closes it. */
export async function openEmulator(platform: string, engine: EngineName = "golden"): Promise<Device> {
  const folder = mkdtempSync(join(tmpdir(), "accllm-golden-"));
  try {
    const path = join(folder, `${platform}.xclbin`);
    writeFileSync(path, emulationXclbin(platforms[platform]!));
    const device = await openDevice("emulator", { engine });
    try {
      device.load(path);
    } catch (error) {
      device.close();
      throw error;
    }
    return device;
  } finally {
    rmSync(folder, { recursive: true });
  }
}
