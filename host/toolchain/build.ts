import { mkdir, readFile, writeFile } from "node:fs/promises";
import { availableParallelism } from "node:os";
import { basename, dirname, join } from "node:path";
import { execa } from "execa";
import { kernelAbiVersion, type Platform, platforms } from "../../quant/format/platform.ts";
import { cacheFolder, packageRoot } from "../config/paths.ts";
import { fileSha256, type ManifestEntry, recordBitstream } from "../device/manifest.ts";
import { abiKey, parseXclbin } from "../device/xclbin/index.ts";
import { ToolchainError, UsageError } from "../errors.ts";
import { linkConfig } from "./link-config.ts";
import { phaseOf } from "./log.ts";
import { type BuildSummary, readSummary } from "./reports.ts";
import { runTool } from "./run-tool.ts";
import { StepRecord, stepKey } from "./step-record.ts";
import {
  type BuildPlan,
  type BuildStep,
  type BuildTarget,
  buildSteps,
  configFile,
  reportFolder,
} from "./steps.ts";

export interface BuildOptions {
  readonly platform: string;
  readonly target: BuildTarget;
  /** Folder for the xclbin and its manifest; default bitstreams/ of the package. */
  readonly output?: string | undefined;
  /** Folder for intermediate files, logs and reports; default below build/ or the cache. */
  readonly work?: string | undefined;
  readonly profile?: boolean | undefined;
  /** Processes that v++ may start at once; default one a core. */
  readonly jobs?: number | undefined;
}

export interface BuildHooks {
  readonly signal?: AbortSignal | undefined;
  /** A step starts, or is found done. */
  readonly onStep?: ((step: BuildStep, done: boolean) => void) | undefined;
  readonly onPhase?: ((phase: string) => void) | undefined;
  readonly onLine?: ((line: string) => void) | undefined;
  /** Environment of the tools; default this process's. */
  readonly env?: NodeJS.ProcessEnv | undefined;
}

export interface BuildReport extends ManifestEntry {
  readonly xclbin: string;
  /** Log of the last step that ran; undefined where all were done. */
  readonly log: string | undefined;
  readonly summary: BuildSummary;
}

/**
 * What a build will do; writes nothing.
 * @throws UsageError PLATFORM_UNKNOWN.
 */
export function planBuild(options: BuildOptions): { plan: BuildPlan; steps: BuildStep[]; config: string } {
  const platform = buildPlatform(options.platform);
  const { target } = options;
  const folder = options.output ?? join(packageRoot, "bitstreams");
  const name = target === "hw" ? platform.name : `${platform.name}.${target}`;
  const plan: BuildPlan = {
    platform,
    target,
    jobs: options.jobs ?? availableParallelism(),
    paths: {
      root: packageRoot,
      work: options.work ?? join(cacheFolder(), "vitis", name),
      xclbin: join(folder, `${name}.xclbin`),
    },
  };
  return { plan, steps: buildSteps(plan), config: linkConfig(platform, { profile: options.profile }) };
}

function buildPlatform(name: string): Platform {
  const buildable = Object.values(platforms).filter(({ shell }) => shell !== "");
  const found = buildable.find((platform) => platform.name === name);
  if (found !== undefined) return found;
  throw new UsageError("PLATFORM_UNKNOWN", `There is no card called ${JSON.stringify(name)} to build for.`, {
    hint: `The platforms: ${buildable.map((platform) => platform.name).join(", ")}.`,
  });
}

/** "v++ v2022.2 (64-bit)". @throws ToolchainError TOOL_MISSING. */
async function toolVersion(command: string, env: NodeJS.ProcessEnv | undefined): Promise<string> {
  const result = await execa(command, ["--version"], {
    reject: false,
    all: true,
    stdin: "ignore",
    ...(env === undefined ? {} : { env, extendEnv: false }),
  });
  const text = result.all ?? "";
  const version = /v\+\+ v[\d.]+/.exec(text)?.[0] ?? text.split("\n").find((line) => /\d/.test(line));
  if (!result.failed && version !== undefined) return version.trim();
  throw new ToolchainError(
    "TOOL_MISSING",
    `${command} does not run: ${result.shortMessage ?? "it says nothing"}.`,
    {
      hint: "Install Vitis 2022.2 or newer and source its settings64.sh; `accllm build --dry-run` prints what would run.",
    },
  );
}

/**
 * Builds an xclbin with v++ and lists it in the manifest of its folder. Steps that were done with the same inputs are
 * not done again.
 * @throws UsageError PLATFORM_UNKNOWN; ToolchainError TOOL_MISSING, TOOL_FAILED, OUTPUT_MISSING, OUTPUT_WRONG;
 *   InterruptedError.
 */
export async function buildXclbin(options: BuildOptions, hooks: BuildHooks = {}): Promise<BuildReport> {
  const { plan, steps, config } = planBuild(options);
  const { work, xclbin } = plan.paths;
  const version = await toolVersion("v++", hooks.env);
  await mkdir(work, { recursive: true });
  await mkdir(dirname(xclbin), { recursive: true });
  await writeFile(configFile(plan.paths), config);
  let log: string | undefined;
  for (const step of steps) log = (await runStep(step, work, version, hooks)) ?? log;
  const entry = await describe(plan, version);
  await recordBitstream(dirname(xclbin), entry);
  return { ...entry, xclbin, log, summary: await readSummary(reportFolder(plan.paths)) };
}

/** @returns the log, or undefined where the step was done before */
async function runStep(
  step: BuildStep,
  work: string,
  version: string,
  hooks: BuildHooks,
): Promise<string | undefined> {
  const key = stepKey(step, version);
  const record = new StepRecord(work, step);
  const done = record.isCurrent(key);
  hooks.onStep?.(step, done);
  if (done) return undefined;
  record.clear();
  const log = join(work, "logs", `${step.name.replaceAll(" ", "-")}.log`);
  await runTool({
    ...step,
    cwd: work,
    log,
    env: hooks.env,
    signal: hooks.signal,
    onLine: (line) => {
      const phase = phaseOf(line);
      if (phase !== undefined) hooks.onPhase?.(phase);
      hooks.onLine?.(line);
    },
  });
  try {
    await record.write(key, step.outputs);
  } catch (cause) {
    throw new ToolchainError(
      "OUTPUT_MISSING",
      `${step.command} ended well, but did not write ${step.outputs.join(" and ")}.`,
      { hint: `Its output is in ${log}.`, cause },
    );
  }
  return log;
}

/** What was built, read from the file itself. @throws ToolchainError OUTPUT_WRONG. */
async function describe({ platform, target, paths }: BuildPlan, tool: string): Promise<ManifestEntry> {
  const { uuid, kernels, keyValues, mode, groupConnections } = parseXclbin(await readFile(paths.xclbin));
  const wrong = (what: string) =>
    new ToolchainError("OUTPUT_WRONG", `The xclbin that was built, ${paths.xclbin}, ${what}.`, {
      hint: "The sources and the tool do not fit each other; see docs/build.md.",
    });
  const wanted = platform.kernelArguments.map(({ name }) => name).join(" ");
  const built = kernels[0]?.arguments.map(({ name }) => name).join(" ") ?? "none";
  if (built !== wanted) throw wrong(`has a kernel with the arguments ${built} instead of ${wanted}`);
  if (keyValues[abiKey] !== String(kernelAbiVersion))
    throw wrong("does not state the version of its interface");
  if ((mode === "hw_emu" || mode === "sw_emu" ? mode : "hw") !== target)
    throw wrong(`is for the mode ${mode}`);
  for (const [index, argument] of platform.kernelArguments.entries()) {
    if (argument.kind === "scalar") continue;
    if (!groupConnections.some((connection) => connection.argument === index)) {
      throw wrong(`connects argument ${argument.name} to no memory`);
    }
  }
  return {
    file: basename(paths.xclbin),
    sha256: await fileSha256(paths.xclbin),
    uuid,
    platform: platform.name,
    target,
    shell: platform.shell,
    kernelAbi: kernelAbiVersion,
    clockMHz: platform.clockMHz,
    tool,
  };
}
