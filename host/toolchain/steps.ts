import { dirname, join } from "node:path";
import { kernelAbiVersion, kernelName, type Platform } from "../../quant/format/platform.ts";
import { abiKey } from "../device/xclbin/index.ts";

/** What v++ builds for: a card, a simulation of the RTL, or the kernel's C++ on the CPU under XRT. */
export const buildTargets = ["hw", "hw_emu", "sw_emu"] as const;
export type BuildTarget = (typeof buildTargets)[number];

/** Where a build reads and writes. */
export interface BuildPaths {
  /** The package, with hls/ in it. */
  readonly root: string;
  /** Intermediate files, logs and reports of this platform and target. */
  readonly work: string;
  /** The finished xclbin. */
  readonly xclbin: string;
}

/** One program of the tool chain. */
export interface BuildStep {
  readonly name: "compile" | "link" | "metadata" | "emulation platform";
  readonly command: string;
  readonly args: readonly string[];
  /** Files and folders whose content decides whether the step is done. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
}

export interface BuildPlan {
  readonly platform: Platform;
  readonly target: BuildTarget;
  /** Processes that v++ may start at once. */
  readonly jobs: number;
  readonly paths: BuildPaths;
}

export function xoFile({ work }: BuildPaths): string {
  return join(work, `${kernelName}.xo`);
}

export function configFile({ work }: BuildPaths): string {
  return join(work, "link.cfg");
}

export function reportFolder({ work }: BuildPaths): string {
  return join(work, "reports");
}

/** The commands of a build, in order; options as UG1393 (2022.2) documents them for v++, xclbinutil and emconfigutil. */
export function buildSteps({ platform, target, jobs, paths }: BuildPlan): BuildStep[] {
  const { root, work, xclbin } = paths;
  const hls = join(root, "hls");
  const linked = join(work, `${kernelName}.xclbin`);
  const common = (step: string) => [
    "--target",
    target,
    "--platform",
    platform.shell,
    "--save-temps",
    "--temp_dir",
    join(work, "temp", step),
    "--log_dir",
    join(work, "logs", step),
    "--report_dir",
    join(reportFolder(paths), step),
  ];
  const steps: BuildStep[] = [
    {
      name: "compile",
      command: "v++",
      args: [
        "--compile",
        ...common("compile"),
        "--kernel",
        kernelName,
        "--hls.clock",
        `${platform.clockMHz * 1e6}:${kernelName}`,
        "--define",
        "ACCLLM_AP_INT",
        "--include",
        join(hls, "include"),
        "--include",
        hls,
        "--output",
        xoFile(paths),
        join(hls, "kernels", "top", `${platform.name}.cpp`),
      ],
      inputs: [hls],
      outputs: [xoFile(paths)],
    },
    {
      name: "link",
      command: "v++",
      args: [
        "--link",
        ...common("link"),
        "--config",
        configFile(paths),
        "--jobs",
        String(jobs),
        "--output",
        linked,
        xoFile(paths),
      ],
      inputs: [xoFile(paths), configFile(paths)],
      outputs: [linked],
    },
    {
      name: "metadata",
      command: "xclbinutil",
      args: [
        "--input",
        linked,
        "--key-value",
        `USER:${abiKey}:${kernelAbiVersion}`,
        "--output",
        xclbin,
        "--force",
      ],
      inputs: [linked],
      outputs: [xclbin],
    },
  ];
  if (target === "hw") return steps;
  return [
    ...steps,
    {
      name: "emulation platform",
      command: "emconfigutil",
      // Beside the xclbin, where the host looks for it.
      args: ["--platform", platform.shell, "--nd", "1", "--od", dirname(xclbin)],
      inputs: [],
      outputs: [join(dirname(xclbin), "emconfig.json")],
    },
  ];
}

/** A step as a line for a shell. */
export function commandLine({ command, args }: Pick<BuildStep, "command" | "args">): string {
  return [command, ...args]
    .map((part) => (/^[\w@%+=:,./-]+$/.test(part) ? part : `'${part.replaceAll("'", "'\\''")}'`))
    .join(" ");
}
