import { realpathSync } from "node:fs";
import { DeviceError } from "../../errors.ts";
import type { XrtFunctions } from "./binding.ts";

/**
 * The first release whose headers declare each function, from the tags of XRT's repository (2.6 and 2.7 are 2020.1,
 * 2.8 is 2020.2, 2.11 is 2021.1).
 */
const functionSince: Readonly<Record<keyof XrtFunctions, string>> = {
  xrtDeviceOpen: "2.7",
  xrtDeviceOpenByBDF: "2.11",
  xrtDeviceClose: "2.7",
  xrtDeviceLoadXclbinFile: "2.7",
  xrtDeviceGetXclbinUUID: "2.7",
  xrtPLKernelOpen: "2.6",
  xrtKernelClose: "2.6",
  xrtKernelArgGroupId: "2.7",
  xrtBOAlloc: "2.7",
  xrtBOAllocUserPtr: "2.7",
  xrtBOSubAlloc: "2.7",
  xrtBOFree: "2.7",
  xrtBOSize: "2.8",
  xrtBOMap: "2.7",
  xrtBOWrite: "2.7",
  xrtBORead: "2.7",
  xrtBOAddress: "2.8",
  xrtBOSync: "2.7",
  xrtRunOpen: "2.6",
  xrtRunSetArg: "2.6",
  xrtRunStart: "2.6",
  xrtRunWaitFor: "2.7",
  xrtRunState: "2.6",
  xrtRunClose: "2.6",
};

/** The oldest release that has every function the binding calls. */
export const leastXrt = "2.11";

/** The release that a function came with; undefined for one that the binding does not call. */
export function sinceRelease(name: string): string | undefined {
  return Object.hasOwn(functionSince, name) ? functionSince[name as keyof XrtFunctions] : undefined;
}

/** "2.13.0" of libxrt_coreutil.so.2.13.0, links followed; undefined where the name has no version. */
export function releaseOf(libraryPath: string): string | undefined {
  let name = libraryPath;
  try {
    name = realpathSync(libraryPath);
  } catch {
    // Loading it will say what is wrong.
  }
  return /\.so\.(\d+\.\d+(?:\.\d+)?)$/.exec(name)?.[1];
}

function compare(a: string, b: string): number {
  const [x, y] = [a, b].map((text) => text.split(".").map(Number)) as [number[], number[]];
  return x[0]! - y[0]! || x[1]! - y[1]!;
}

/**
 * Refuses a release that is too old by its file name, before it is loaded.
 * @throws DeviceError XRT_TOO_OLD.
 */
export function requireRelease(libraryPath: string): void {
  const release = releaseOf(libraryPath);
  if (release === undefined || compare(release, leastXrt) >= 0) return;
  throw new DeviceError(
    "XRT_TOO_OLD",
    `The installed XRT ${release} (${libraryPath}) is too old: ${leastXrt} (2021.1) or newer is needed.`,
    { hint: "Install a newer package xrt from AMD; the card's shell may need an update with it." },
  );
}
