import { existsSync, statSync } from "node:fs";
import { join } from "node:path";
import { DeviceError } from "../../errors.ts";

const coreUtil = "libxrt_coreutil.so.2";

/** Where package managers put XRT's libraries when XILINX_XRT does not say. */
const systemFolders = ["/opt/xilinx/xrt/lib", "/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib"];

/** The driver library that XRT loads for an emulation mode. */
function shimLibrary(mode: string | undefined): string {
  const shims: Record<string, string> = {
    noop: "libxrt_noop.so.2",
    sw_emu: "libxrt_swemu.so.2",
    hw_emu: "libxrt_hwemu.so.2",
  };
  return shims[mode ?? ""] ?? "libxrt_core.so.2";
}

/** Path of XRT's libxrt_coreutil, or undefined where it is not installed. */
export function findXrtLibrary(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const folder = environment.XILINX_XRT;
  const folders =
    folder === undefined || folder === "" ? systemFolders : [join(folder, "lib"), ...systemFolders];
  return folders.map((candidate) => join(candidate, coreUtil)).find((path) => existsSync(path));
}

/** @throws DeviceError XRT_NOT_INSTALLED. */
export function xrtLibraryPath(environment: NodeJS.ProcessEnv = process.env): string {
  const path = findXrtLibrary(environment);
  if (path !== undefined) return path;
  throw new DeviceError("XRT_NOT_INSTALLED", `XRT is not installed: there is no ${coreUtil}.`, {
    hint: "Install XRT (AMD's package xrt, or libxrt1 of Debian and Ubuntu), or use --device emulator.",
  });
}

/**
 * What is wrong with the environment that XRT's library is going to find, or undefined. XRT throws across its C
 * boundary, which ends the process, when XILINX_XRT is missing or leads nowhere; its emulation ends the process without
 * XILINX_VITIS.
 */
export function xrtEnvironmentProblem(environment: NodeJS.ProcessEnv = process.env): string | undefined {
  const folder = environment.XILINX_XRT;
  if (folder === undefined || folder === "") return "XILINX_XRT is not set";
  if (!existsSync(folder) || !statSync(folder).isDirectory())
    return `XILINX_XRT is ${folder}, which is no folder`;
  const mode = environment.XCL_EMULATION_MODE;
  const shim = join(folder, "lib", shimLibrary(mode));
  if (!existsSync(shim)) return `XILINX_XRT is ${folder}, but ${shim} does not exist`;
  const vitis = environment.XILINX_VITIS;
  if ((mode === "sw_emu" || mode === "hw_emu") && (vitis === undefined || !existsSync(vitis))) {
    const state = vitis === undefined ? "is not set" : `is ${vitis}, which does not exist`;
    return `XILINX_VITIS ${state}, and XRT's own emulation (${mode}) runs Vitis`;
  }
  return undefined;
}

/** @throws DeviceError XRT_ENVIRONMENT. */
export function requireXrtEnvironment(environment: NodeJS.ProcessEnv = process.env): void {
  const problem = xrtEnvironmentProblem(environment);
  if (problem === undefined) return;
  throw new DeviceError("XRT_ENVIRONMENT", `XRT cannot be used: ${problem}.`, {
    hint: problem.startsWith("XILINX_VITIS")
      ? "Source Vitis' settings64.sh; --device emulator needs none of it and computes the same bits."
      : "Run `source /opt/xilinx/xrt/setup.sh`; with Debian's packages, set XILINX_XRT to a folder whose lib/ links " +
        "to /usr/lib/x86_64-linux-gnu.",
  });
}
