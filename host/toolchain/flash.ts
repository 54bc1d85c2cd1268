import { mkdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { writableCache } from "../config/paths.ts";
import { requireAccess, requireCard } from "../device/card-access.ts";
import { type Machine, thisMachine } from "../device/machine.ts";
import { requireListed } from "../device/manifest.ts";
import { type CardReport, cardReport } from "../device/reports.ts";
import { parseDeviceSpecification } from "../device/specification.ts";
import { parseXclbin, type Xclbin } from "../device/xclbin/index.ts";
import { DeviceError, UsageError } from "../errors.ts";
import { runTool } from "./run-tool.ts";

export interface FlashOptions {
  /** "xrt:0" or "xrt:0000:3b:00.1". */
  readonly device: string;
  /** xclbin to program; absent where only the shell is flashed. */
  readonly xclbin?: string | undefined;
  /** Flash the card's base image: the installed package's (true) or this file. */
  readonly shell?: string | true | undefined;
}

export interface FlashHooks {
  readonly signal?: AbortSignal | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  /** Asked before the shell is written; without it, or with false, nothing is. */
  readonly confirm?: ((question: string) => Promise<boolean>) | undefined;
  readonly machine?: Machine | undefined;
}

export interface FlashReport {
  readonly device: string;
  readonly xclbin: string | undefined;
  readonly uuid: string | undefined;
  readonly before: CardReport;
  readonly after: CardReport;
  /** What to do for the change to take effect. */
  readonly next: string | undefined;
  readonly log: string;
}

/**
 * Programs a card with an xclbin (`xbutil program --user`), or its shell (`xbmgmt program --base`, after a
 * confirmation).
 * @throws UsageError FLASH_NOTHING, FLASH_NOT_CONFIRMED, DEVICE_UNKNOWN; InputError (the file); DeviceError of the card,
 *   XCLBIN_WRONG_MODE, XCLBIN_NOT_ACTIVE; ToolchainError TOOL_MISSING, TOOL_FAILED; InterruptedError
 */
export async function flashCard(options: FlashOptions, hooks: FlashHooks = {}): Promise<FlashReport> {
  const machine = hooks.machine ?? thisMachine;
  const specification = parseDeviceSpecification(options.device);
  if (specification.kind !== "xrt") {
    throw new UsageError("FLASH_NO_CARD", `${options.device} is no card; only cards are programmed.`, {
      hint: "Name one with --device xrt:0; `accllm devices` lists them.",
    });
  }
  if (options.xclbin === undefined && options.shell === undefined) {
    throw new UsageError("FLASH_NOTHING", "There is nothing to program: no xclbin and no --shell was given.");
  }
  const xclbin = options.xclbin === undefined ? undefined : await cardXclbin(options.xclbin);
  const card = await requireCard(specification.address, machine);
  // A card whose shell is to be written need not work yet.
  if (options.shell === undefined) await requireAccess(card, machine);
  const before = (await cardReport(machine, card.bdf)) ?? {};
  const cache = writableCache();
  const log = join(cache, "logs", "flash.log");
  await mkdir(join(cache, "logs"), { recursive: true });
  const tool = { cwd: cache, log, env: machine.environment, ...hooks };
  let next: string | undefined;
  if (options.shell !== undefined) {
    const question = `Write the shell of card ${card.bdf} (now ${before.shell ?? card.shell ?? "unknown"})? It must not lose power meanwhile, and every program on it ends.`;
    if (!(await hooks.confirm?.(question))) {
      throw new UsageError("FLASH_NOT_CONFIRMED", "The shell was not written: it was not confirmed.", {
        hint: "Answer yes, or give --yes where nobody is asked.",
      });
    }
    await runTool({ ...tool, command: "xbmgmt", args: shellArguments(card.bdf, options.shell) });
    next = "Switch the machine off and on again (a cold boot): only then does the card run the new shell.";
  }
  if (xclbin !== undefined && options.shell === undefined) {
    const args = ["program", "--device", card.bdf, "--user", options.xclbin!];
    await runTool({ ...tool, command: "xbutil", args });
  } else if (xclbin !== undefined) next += ` Then run \`accllm flash ${options.xclbin}\`.`;
  const after = (await cardReport(machine, card.bdf)) ?? {};
  if (xclbin !== undefined && options.shell === undefined && after.xclbinUuid !== xclbin.uuid) {
    throw new DeviceError(
      "XCLBIN_NOT_ACTIVE",
      `The card ${card.bdf} reports xclbin ${after.xclbinUuid ?? "none"} after it was programmed with ${xclbin.uuid}.`,
      { hint: `Look at ${log} and at \`dmesg\`.` },
    );
  }
  return { device: options.device, xclbin: options.xclbin, uuid: xclbin?.uuid, before, after, next, log };
}

/** Function 0 manages the card that function 1 runs kernels on. */
function shellArguments(bdf: string, shell: string | true): string[] {
  const image = shell === true ? [] : ["--image", shell];
  return ["program", "--device", bdf.replace(/\.1$/, ".0"), "--base", ...image, "--force"];
}

async function cardXclbin(path: string): Promise<Xclbin> {
  const xclbin = parseXclbin(await readFile(path));
  if (xclbin.mode.includes("emu")) {
    throw new DeviceError(
      "XCLBIN_WRONG_MODE",
      `The xclbin ${path} was built for emulation (mode ${xclbin.mode}); a card cannot be programmed with it.`,
      { hint: "Build one with `accllm build --target hw`." },
    );
  }
  await requireListed(path);
  return xclbin;
}
