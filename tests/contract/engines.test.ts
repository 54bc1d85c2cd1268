import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { DeviceBuffer } from "../../host/device/device.ts";
import { emulatorLibraryPath } from "../../host/device/native.ts";
import { openDevice } from "../../host/device/open.ts";
import { jobFields, statusCodes, statusFields, statusMagic } from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { kernelAbiVersion, platforms } from "../../quant/format/platform.ts";
import { deviceContract } from "./suite.ts";
import { makeWorkspace } from "./support.ts";

/** Jobs 0 to 7: no commands, one token record at beat 20, status at beat 24. */
function writeJobs(io: DeviceBuffer): void {
  const { buffer, byteOffset } = io.map();
  for (let job = 0; job < 8; job++) {
    const header = new DataView(buffer, byteOffset + job * beatBytes, beatBytes);
    const fields = {
      commandOffset: 16,
      inputOffset: 20,
      inputStride: 1,
      tokens: 1,
      firstLogit: 1,
      statusOffset: 24,
    };
    header.setUint32(4 * jobFields.abiVersion, kernelAbiVersion, true);
    for (const [name, value] of Object.entries(fields)) {
      header.setUint32(4 * jobFields[name as keyof typeof fields], value, true);
    }
  }
  io.sync("toDevice");
}

let workspace: ReturnType<typeof makeWorkspace>;
beforeAll(() => {
  workspace = makeWorkspace();
});
afterAll(() => workspace.remove());

describe.skipIf(!existsSync(emulatorLibraryPath())).each(["golden", "fast"] as const)(
  "device contract: emulator, engine %s (needs build/native)",
  (engine) => {
    deviceContract({
      open: () => openDevice("emulator", { engine }),
      xclbin: () => workspace.xclbin,
      executes: false,
      writeJobs,
    });

    it("a job without commands ends with its status", async () => {
      const device = await openDevice("emulator", { engine });
      device.load(workspace.xclbin);
      const kernel = device.openKernel("accllm");
      const names = kernel.arguments.filter((name) => name !== "job");
      const buffers = Object.fromEntries(names.map((name) => [name, kernel.allocate(name, 4096)]));
      const io = buffers.io!;
      writeJobs(io);
      await kernel.run({ ...buffers, job: 3 });
      io.sync("fromDevice");
      const status = new DataView(io.map().buffer, io.map().byteOffset + 24 * beatBytes, beatBytes);
      expect(status.getUint32(4 * statusFields.magic, true)).toBe(statusMagic);
      expect(status.getUint32(4 * statusFields.code, true)).toBe(statusCodes.ok);
      device.close();
    });
  },
);

/** A card, where somebody names one: ACCLLM_DEVICE=xrt:0, and its bitstream by ACCLLM_XCLBIN. */
const card = process.env.ACCLLM_DEVICE ?? "";
const bitstream = process.env.ACCLLM_XCLBIN ?? "bitstreams/u280.xclbin";
describe.skipIf(!card.startsWith("xrt:") || !existsSync(bitstream))(
  "device contract: a card (needs ACCLLM_DEVICE=xrt:0 and its bitstream)",
  () => {
    const platform = platforms[process.env.ACCLLM_PLATFORM ?? "u280"]!;
    deviceContract({
      open: () => openDevice(card),
      xclbin: () => bitstream,
      executes: false,
      writeJobs,
      platform,
    });
  },
);
