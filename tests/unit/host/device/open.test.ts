import { describe, expect, it, vi } from "vitest";
import { openDevice } from "../../../../host/device/open.ts";
import { parseDeviceSpecification } from "../../../../host/device/specification.ts";
import { FakeMachine } from "./fake-machine.ts";

describe("device specification", () => {
  it.each([
    ["emulator", { kind: "emulator" }],
    ["xrt:0", { kind: "xrt", address: { index: 0 } }],
    ["xrt:12", { kind: "xrt", address: { index: 12 } }],
    ["xrt:0000:3b:00.1", { kind: "xrt", address: { bdf: "0000:3b:00.1" } }],
    ["xrt:3B:00.1", { kind: "xrt", address: { bdf: "0000:3b:00.1" } }],
  ])("%s", (text, expected) => {
    expect(parseDeviceSpecification(text)).toEqual(expected);
  });

  it.each([
    "",
    "Emulator",
    "xrt",
    "xrt:",
    "xrt:-1",
    "xrt:1000",
    "xrt:3b:00",
    "xrt:3b:00.8",
    "cuda:0",
    "xrt:0 ",
  ])("refuses '%s'", (text) => {
    expect(() => parseDeviceSpecification(text)).toThrowError(
      expect.objectContaining({ code: "DEVICE_UNKNOWN", exitCode: 2 }),
    );
  });
});

describe("opening a device that is not there", () => {
  it("an emulator that is not built", async () => {
    vi.stubEnv("ACCLLM_NATIVE_DIR", "/absent/folder");
    await expect(openDevice("emulator")).rejects.toMatchObject({ code: "EMULATOR_NOT_BUILT", exitCode: 4 });
    vi.unstubAllEnvs();
  });

  it("XRT without its environment, whatever is installed", async () => {
    const machine = new FakeMachine();
    machine.addCard({ bdf: "0000:3b:00.1", driver: "xocl", renderNode: "renderD128" });
    const opened = openDevice("xrt:0", { libraryPath: "/absent/libxrt_coreutil.so.2", machine });
    await expect(opened).rejects.toMatchObject({ code: "XRT_ENVIRONMENT" });
    machine.remove();
  });
});
