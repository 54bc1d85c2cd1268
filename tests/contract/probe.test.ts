import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { probeDevice } from "../../host/device/xrt/probe.ts";
import { buildDouble, buildTimeoutMs, xrtLibrary } from "./support.ts";

describe("probing a library and a device in a process of its own", () => {
  let library: string;
  beforeAll(() => {
    library = buildDouble();
    vi.stubEnv("ACCLLM_NATIVE_DIR", join(dirname(library), "emulator"));
  }, buildTimeoutMs);
  afterAll(() => {
    vi.unstubAllEnvs();
  });

  it("a device that is there", async () => {
    await probeDevice(library, { index: 0 });
    await probeDevice(library, { bdf: "0000:00:00.0" });
  });

  it.each([
    ["a device that is not there", { index: 5 }, "DEVICE_NOT_OPENED"],
    ["a PCIe address that is not there", { bdf: "0000:3b:00.1" }, "DEVICE_NOT_OPENED"],
  ])("%s", async (_name, address, code) => {
    await expect(probeDevice(library, address)).rejects.toMatchObject({ code, exitCode: 4 });
  });

  it("a library that does not exist, and one that is no XRT", async () => {
    await expect(probeDevice("/absent/lib.so", { index: 0 })).rejects.toMatchObject({
      code: "XRT_LIBRARY_NOT_LOADED",
      message: expect.stringContaining("/absent/lib.so"),
    });
    await expect(probeDevice("libc.so.6", { index: 0 })).rejects.toMatchObject({
      code: "XRT_SYMBOL_MISSING",
      message: expect.stringContaining("xrtDeviceOpen"),
    });
  });

  it.skipIf(xrtLibrary === undefined)(
    "XRT without XILINX_XRT ends its process, not this one (needs libxrt1)",
    async () => {
      vi.stubEnv("XILINX_XRT", undefined);
      await expect(probeDevice(xrtLibrary!, { index: 0 })).rejects.toMatchObject({
        code: "XRT_CRASHED",
        message: expect.stringMatching(/SIGABRT.*XILINX_XRT not set/),
      });
    },
  );
});
