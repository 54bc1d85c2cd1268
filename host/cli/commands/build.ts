import { type Command, Option } from "commander";
import { z } from "zod";
import type { BuildReport } from "../../toolchain/build.ts";
import { type BuildTarget, buildTargets, commandLine } from "../../toolchain/steps.ts";
import { type CliContext, write, writeJson } from "../context.ts";
import { addExamples, numberOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { renderTable } from "../render/table.ts";
import { formatCount } from "../render/units.ts";

interface BuildOptions {
  target: BuildTarget;
  platform: string;
  output?: string;
  work?: string;
  profile?: boolean;
  jobs?: number;
  dryRun?: boolean;
}

export function addBuild(program: Command, run: RunVerb): void {
  const command = program
    .command("build")
    .description(
      "Compile and link the kernel with Vitis' v++ and list the xclbin in its folder's manifest. A build that was stopped goes on where it was.",
    )
    .addOption(
      new Option("--target <target>", "what to build for").choices([...buildTargets]).makeOptionMandatory(),
    )
    .addOption(new Option("--platform <card>", "card to build for").choices(["u280", "u55c"]).default("u280"))
    .option("-o, --output <folder>", "folder for the xclbin (default: bitstreams/ of the package)")
    .option("--work <folder>", "folder for intermediate files, logs and reports (default: build/vitis)")
    .option("--profile", "build in monitors of transfers, executions and stalls")
    .addOption(
      numberOption(
        "--jobs <n>",
        "processes that v++ may start (default: one a core)",
        z.int().min(1).max(256),
      ),
    )
    .option("--dry-run", "print the exact commands and the link configuration; run nothing")
    .action((options: BuildOptions) => run((context) => build(context, options)));
  addExamples(command, [
    ["build --target hw --platform u280", "a bitstream for a U280; takes hours and Vitis"],
    ["build --target hw_emu --dry-run", "what would be run"],
  ]);
}

async function build(context: CliContext, { dryRun, ...options }: BuildOptions): Promise<number> {
  const { buildXclbin, planBuild } = await import("../../toolchain/build.ts");
  if (dryRun) {
    const { plan, steps, config } = planBuild(options);
    if (context.json) {
      const commands = steps.map(({ name, command, args }) => ({ name, command, args }));
      await writeJson(context, { dryRun: true, xclbin: plan.paths.xclbin, config, commands });
    } else {
      const { configFile } = await import("../../toolchain/steps.ts");
      await write(context.stdout, `# ${configFile(plan.paths)}\n${config}\n`);
      for (const step of steps) await write(context.stdout, `# ${step.name}\n${commandLine(step)}\n`);
    }
    return 0;
  }
  const { err, stderr } = context;
  const report = await buildXclbin(options, {
    signal: context.signal,
    env: context.env,
    onStep: (step, done) => void stderr.write(`${err.bold(step.name)}${done ? " is done already" : ""}\n`),
    onPhase: (phase) => void stderr.write(`${err.cyan("phase")} ${phase}\n`),
    onLine: (line) => void stderr.write(`${err.dim(line)}\n`),
  });
  if (context.json) await writeJson(context, report);
  else await write(context.stdout, renderTable(rows(report)));
  if ((report.summary.worstSlackNs ?? 0) < 0) {
    stderr.write(`${err.yellow("warning:")} the clock is not met; the xclbin may compute wrongly.\n`);
  }
  return 0;
}

function rows({ xclbin, uuid, sha256, clockMHz, tool, log, summary }: BuildReport): string[][] {
  const resources = Object.entries(summary.resources ?? {}).map(([name, count]) => [
    name,
    formatCount(count),
  ]);
  return [
    ["xclbin", xclbin],
    ["uuid", uuid],
    ["sha256", sha256],
    ["clock asked for", `${clockMHz} MHz`],
    ["tool", tool],
    ...(log === undefined ? [] : [["log", log]]),
    ...resources,
    ...(summary.worstSlackNs === undefined ? [] : [["worst slack", `${summary.worstSlackNs} ns`]]),
  ];
}
