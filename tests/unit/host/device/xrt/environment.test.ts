import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  findXrtLibrary,
  requireXrtEnvironment,
  xrtEnvironmentProblem,
} from "../../../../../host/device/xrt/environment.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "accllm-environment-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

function install(...libraries: string[]): void {
  mkdirSync(join(folder, "lib"), { recursive: true });
  for (const library of libraries) writeFileSync(join(folder, "lib", library), "");
}

describe("XRT's environment", () => {
  it("is wrong without XILINX_XRT, because XRT then ends the process", () => {
    expect(xrtEnvironmentProblem({})).toBe("XILINX_XRT is not set");
    expect(xrtEnvironmentProblem({ XILINX_XRT: "" })).toBe("XILINX_XRT is not set");
  });

  it("is wrong where XILINX_XRT is no folder", () => {
    expect(xrtEnvironmentProblem({ XILINX_XRT: join(folder, "absent") })).toMatch(/no folder/);
    writeFileSync(join(folder, "file"), "");
    expect(xrtEnvironmentProblem({ XILINX_XRT: join(folder, "file") })).toMatch(/no folder/);
  });

  it("needs the library of the mode that XCL_EMULATION_MODE asks for", () => {
    install("libxrt_noop.so.2");
    expect(xrtEnvironmentProblem({ XILINX_XRT: folder, XCL_EMULATION_MODE: "noop" })).toBeUndefined();
    expect(xrtEnvironmentProblem({ XILINX_XRT: folder })).toMatch(/libxrt_core\.so\.2 does not exist/);
    expect(xrtEnvironmentProblem({ XILINX_XRT: folder, XCL_EMULATION_MODE: "hw_emu" })).toMatch(/hwemu/);
    install("libxrt_core.so.2");
    expect(xrtEnvironmentProblem({ XILINX_XRT: folder })).toBeUndefined();
  });

  it("needs Vitis for XRT's own emulation, which ends the process without", () => {
    install("libxrt_swemu.so.2", "libxrt_hwemu.so.2");
    for (const mode of ["sw_emu", "hw_emu"]) {
      const environment = { XILINX_XRT: folder, XCL_EMULATION_MODE: mode };
      expect(xrtEnvironmentProblem(environment)).toMatch(/XILINX_VITIS is not set.*runs Vitis/);
      const absent = { ...environment, XILINX_VITIS: join(folder, "absent") };
      expect(() => requireXrtEnvironment(absent)).toThrowError(
        expect.objectContaining({ code: "XRT_ENVIRONMENT", hint: expect.stringContaining("settings64.sh") }),
      );
      expect(xrtEnvironmentProblem({ ...environment, XILINX_VITIS: folder })).toBeUndefined();
    }
  });

  it("is a DeviceError that says what to do", () => {
    expect(() => requireXrtEnvironment({})).toThrowError(
      expect.objectContaining({
        code: "XRT_ENVIRONMENT",
        exitCode: 4,
        hint: expect.stringContaining("setup.sh"),
      }),
    );
  });

  it("prefers the library below XILINX_XRT to the system's", () => {
    install("libxrt_coreutil.so.2");
    expect(findXrtLibrary({ XILINX_XRT: folder })).toBe(join(folder, "lib", "libxrt_coreutil.so.2"));
  });
});
