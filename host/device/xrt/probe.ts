import { existsSync } from "node:fs";
import { DeviceError } from "../../errors.ts";
import { loadExeca } from "../execa.ts";
import { probeProgramPath } from "../native.ts";
import type { DeviceAddress } from "../specification.ts";
import { symbolMissing } from "./library.ts";

const probeTimeoutMs = 20_000;
/** Exit codes of accllm_probe. */
const probeExit = { opened: 0, usage: 2, notLoaded: 3, symbolMissing: 4, notOpened: 5 } as const;

/** XRT's own lines, without its prefix, cut to what a paragraph bears. */
function tidy(output: string): string {
  const lines = output.split("\n").map((line) => line.replace(/^\[XRT\]\s*(ERROR|WARNING):\s*/, "").trim());
  return [...new Set(lines.filter((line) => line !== ""))].join("; ").slice(0, 400);
}

/**
 * Opens and closes library and device in a child process, so that a library that ends the process ends that one.
 * @param environment of that process; default this one's
 * @throws DeviceError PROBE_NOT_BUILT, XRT_LIBRARY_NOT_LOADED, XRT_SYMBOL_MISSING, DEVICE_NOT_OPENED, XRT_CRASHED,
 *   XRT_TIMEOUT.
 */
export async function probeDevice(
  libraryPath: string,
  address: DeviceAddress,
  environment: NodeJS.ProcessEnv = process.env,
): Promise<void> {
  const program = probeProgramPath();
  if (!existsSync(program)) {
    throw new DeviceError("PROBE_NOT_BUILT", `The program ${program} does not exist.`, {
      hint: "Run `npm run build` in the checkout; it needs cmake and a C++ compiler.",
    });
  }
  const name = "bdf" in address ? address.bdf : String(address.index);
  const execa = await loadExeca();
  const result = await execa(program, [libraryPath, name], {
    reject: false,
    timeout: probeTimeoutMs,
    all: true,
    env: environment,
    extendEnv: false,
  });
  if (result.exitCode === probeExit.opened) return;
  const said = tidy(result.all ?? "");
  const because = said === "" ? "" : `: ${said}`;
  if (result.timedOut) {
    throw new DeviceError(
      "XRT_TIMEOUT",
      `Opening device ${name} took more than ${probeTimeoutMs / 1000} s.`,
      {
        hint: "Look at `dmesg` and reset the card with `xbutil reset`.",
      },
    );
  }
  switch (result.exitCode) {
    case probeExit.notLoaded:
      throw new DeviceError(
        "XRT_LIBRARY_NOT_LOADED",
        `The library ${libraryPath} cannot be loaded${because}.`,
        {
          hint: "Run `accllm doctor`.",
        },
      );
    case probeExit.symbolMissing:
      throw symbolMissing(libraryPath, /^\w+/.exec(said)?.[0] ?? "of XRT");
    case probeExit.notOpened:
      throw new DeviceError("DEVICE_NOT_OPENED", `XRT could not open device ${name}${because}.`, {
        hint: "`accllm devices` lists the cards, `accllm doctor` checks driver and permissions.",
      });
    default: {
      const how = result.signal === undefined ? `exit code ${result.exitCode}` : `signal ${result.signal}`;
      throw new DeviceError(
        "XRT_CRASHED",
        `XRT ended a test process with ${how} while opening ${name}${because}.`,
        {
          hint: "The installed XRT and its driver do not fit each other or the environment; run `accllm doctor`.",
        },
      );
    }
  }
}
