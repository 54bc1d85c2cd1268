import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { emulationXclbin, parseXclbin, writeXclbin } from "../../host/device/xclbin/index.ts";
import { kernelAbiVersion, platforms } from "../../quant/format/platform.ts";
import { useEmulator } from "./emulator-fixture.ts";

const emulator = useEmulator();
const { open } = emulator;

describe("emulator: xclbin files", () => {
  const sound = emulationXclbin(platforms.tiny!);

  async function load(bytes: Uint8Array): Promise<void> {
    const path = join(emulator.workspace.folder, "other.xclbin");
    writeFileSync(path, bytes);
    const device = await open();
    try {
      device.load(path);
    } finally {
      device.close();
    }
  }

  it("refuses a file for a card", async () => {
    const parsed = parseXclbin(sound);
    const forCard = writeXclbin({ ...parsed, header: { ...parsed.header, mode: 1 } });
    await expect(load(forCard)).rejects.toMatchObject({ code: "XCLBIN_WRONG_MODE" });
  });

  it("refuses a kernel of another interface version", async () => {
    const text = Buffer.from(sound)
      .toString("latin1")
      .replace(`"accllm.abi","value":"${kernelAbiVersion}"`, '"accllm.abi","value":"9"');
    await expect(load(Buffer.from(text, "latin1"))).rejects.toMatchObject({ code: "XCLBIN_WRONG_ABI" });
  });

  it("refuses a file cut short, and one that does not exist", async () => {
    await expect(load(sound.subarray(0, sound.length - 64))).rejects.toMatchObject({
      code: "XCLBIN_INVALID",
    });
    const device = await open();
    expect(() => device.load(join(emulator.workspace.folder, "absent"))).toThrowError(
      expect.objectContaining({ code: "XCLBIN_UNREADABLE", exitCode: 3 }),
    );
    device.close();
  });

  it("does not replace an xclbin while a kernel of it is open", async () => {
    const other = join(emulator.workspace.folder, "u280.xclbin");
    writeFileSync(other, emulationXclbin(platforms.u280!));
    const device = await open();
    device.load(emulator.workspace.xclbin);
    const kernel = device.openKernel("accllm");
    expect(() => device.load(other)).toThrowError(
      expect.objectContaining({ code: "XCLBIN_BUSY", message: expect.stringContaining("EBUSY") }),
    );
    kernel.close();
    device.load(other);
    expect(device.openKernel("accllm").arguments).toHaveLength(platforms.u280!.kernelArguments.length);
    device.close();
  });

  it("refuses a kernel by the UUID of another xclbin", async () => {
    const device = await open();
    device.load(emulator.workspace.xclbin);
    const { xrt } = device.library;
    expect(xrt.xrtPLKernelOpen(device.handle, new Uint8Array(16).fill(7), "accllm")).toBeNull();
    expect(xrt.xrtPLKernelOpen(device.handle, parseXclbin(sound).header.uuid, "accllm:{other}")).toBeNull();
    const kernel = xrt.xrtPLKernelOpen(device.handle, parseXclbin(sound).header.uuid, "accllm:{accllm_1}");
    expect(kernel).not.toBeNull();
    expect(xrt.xrtKernelClose(kernel!)).toBe(0);
    expect(xrt.xrtKernelClose(kernel!)).toBe(-1);
    device.close();
  });
});
