import { kernelAbiVersion } from "../../../quant/format/platform.ts";
import { DeviceError } from "../../errors.ts";
import { abiKey, type Xclbin } from "../xclbin/index.ts";
import { isForEmulation } from "./emulation-mode.ts";
import type { XrtLibrary } from "./library.ts";

/** Whether the library runs emulation xclbins: ours does, XRT does where it was opened for one. */
function emulates(library: XrtLibrary): boolean {
  return library.emulator !== undefined || (process.env.XCL_EMULATION_MODE ?? "") !== "";
}

/**
 * Refuses an xclbin that the library cannot run, before anything is loaded.
 * @throws DeviceError XCLBIN_WRONG_MODE, XCLBIN_WRONG_ABI.
 */
export function requireLoadable(xclbin: Xclbin, path: string, library: XrtLibrary): void {
  const forEmulation = isForEmulation(xclbin.mode);
  const takesBoth = library.emulator === undefined && process.env.XCL_EMULATION_MODE === "noop";
  if (!takesBoth && forEmulation !== emulates(library)) {
    const built = forEmulation ? "for emulation" : "for a card";
    const here = forEmulation ? "a card" : "the emulator";
    throw new DeviceError(
      "XCLBIN_WRONG_MODE",
      `The xclbin ${path} was built ${built} (mode ${xclbin.mode}), but it is to be loaded on ${here}.`,
      { hint: forEmulation ? "Use --device emulator." : "Use --device xrt:0 on a machine with the card." },
    );
  }
  const abi = xclbin.keyValues[abiKey];
  if (abi !== String(kernelAbiVersion)) {
    throw new DeviceError(
      "XCLBIN_WRONG_ABI",
      `The xclbin ${path} states kernel interface version ${abi ?? "none"}, this host speaks ${kernelAbiVersion}.`,
      { hint: "Build or download the xclbin that belongs to this version of accllm." },
    );
  }
}
