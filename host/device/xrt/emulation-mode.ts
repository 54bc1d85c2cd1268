import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { DeviceError } from "../../errors.ts";
import { readXclbinFile } from "../xclbin/index.ts";

/** Modes of an xclbin that XRT's own emulation runs, with what XCL_EMULATION_MODE has to say for each. */
const variables: Readonly<Record<string, string>> = {
  sw_emu: "sw_emu",
  hw_emu: "hw_emu",
  "hw_emu-pr": "hw_emu",
};
const configuration = "emconfig.json";

/** Whether an xclbin of this mode is for XRT's emulation. */
export function isForEmulation(mode: string): boolean {
  return Object.hasOwn(variables, mode);
}

/**
 * The environment that XRT has to find for an xclbin: its emulation mode is the file's, whatever XCL_EMULATION_MODE says,
 * and the emulated platform (emconfig.json) is looked for beside the file. noop, which runs nothing, stays noop.
 * @param xclbin file that is going to be loaded; undefined leaves the environment as it is
 * @throws InputError XCLBIN_UNREADABLE, XCLBIN_INVALID
 */
export function xrtEnvironment(
  xclbin: string | undefined,
  environment: NodeJS.ProcessEnv,
): NodeJS.ProcessEnv & { readonly XCL_EMULATION_MODE: string } {
  const given = environment.XCL_EMULATION_MODE ?? "";
  if (xclbin === undefined || given === "noop") return { ...environment, XCL_EMULATION_MODE: given };
  const mode = variables[readXclbinFile(xclbin).mode] ?? "";
  const folder = dirname(xclbin);
  const besides = mode !== "" && !environment.EMCONFIG_PATH && existsSync(join(folder, configuration));
  return { ...environment, XCL_EMULATION_MODE: mode, ...(besides ? { EMCONFIG_PATH: folder } : {}) };
}

/** The mode in which each of XRT's libraries was loaded: it looks once. */
const loaded = new Map<string, string>();

/**
 * Puts the mode into this process's environment, where XRT looks when it is loaded.
 * @throws DeviceError XRT_MODE_FIXED where it was loaded in another
 */
export function enterMode(library: string, environment: ReturnType<typeof xrtEnvironment>): void {
  const { XCL_EMULATION_MODE: mode, EMCONFIG_PATH: configurationFolder } = environment;
  const before = loaded.get(library);
  if (before !== undefined && before !== mode) {
    const name = (value: string) => (value === "" ? "with cards" : `in the mode ${value}`);
    throw new DeviceError(
      "XRT_MODE_FIXED",
      `XRT works ${name(before)} in this process and cannot work ${name(mode)} any more.`,
      { hint: "Use xclbins of one kind in a process; start another process for the other." },
    );
  }
  loaded.set(library, mode);
  if (mode === "") delete process.env.XCL_EMULATION_MODE;
  else process.env.XCL_EMULATION_MODE = mode;
  if (configurationFolder !== undefined) process.env.EMCONFIG_PATH = configurationFolder;
}
