import type { Command } from "commander";
import { z } from "zod";
import { UsageError } from "../../errors.ts";
import { write, writeJson } from "../context.ts";
import { addDeviceOptions, addExamples, numberOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { renderBench, renderBenchCsv } from "../render/bench.ts";
import { createProgress } from "../render/progress.ts";
import type { DeviceChoice } from "../services.ts";

interface CommandOptions extends DeviceChoice {
  prefill?: number[];
  depth: number[];
  decodeTokens: number;
  repetitions: number;
  csv?: boolean;
}

export function addBench(program: Command, run: RunVerb): void {
  const command = program
    .command("bench")
    .description(
      "Measure the tokens per second of prefill at several prompt lengths and of decode at several depths: mean, standard deviation and the best of all repetitions, beside what the cycle counters give for the card.",
    )
    .argument("<image>", "model image (.accllm)")
    .option(
      "--prefill <lengths>",
      "prompt lengths, separated by commas (default: 16,128,512, as far as the window takes them)",
      numbers("--prefill", 1, 65_536),
    )
    .option(
      "--depth <depths>",
      "tokens before the first decoded one, separated by commas",
      numbers("--depth", 0, 2 ** 30),
      [0, 512],
    )
    .addOption(
      numberOption(
        "--decode-tokens <n>",
        "tokens decoded in one repetition",
        z.number().int().min(1).max(1e6),
      ).default(32),
    )
    .addOption(
      numberOption(
        "-r, --repetitions <n>",
        "measured rounds, after one that is not",
        z.number().int().min(1).max(10_000),
      ).default(5),
    )
    .option("--csv", "print comma-separated values, one case a line");
  addDeviceOptions(command, "are measured at the same time and summed").action(
    (path: string, { depth, csv, ...options }: CommandOptions) =>
      run(async (context) => {
        if (csv && context.json) throw new UsageError("BAD_COMMAND_LINE", "Choose one of --json and --csv.");
        const progress = createProgress(context, "Measuring");
        try {
          const report = await context.services.bench(
            { path, depths: depth, ...options },
            {
              signal: context.signal,
              progress: (done, total, label) => progress.update(done, total, label),
            },
          );
          progress.stop();
          if (context.json) await writeJson(context, { image: path, ...report });
          else await write(context.stdout, csv ? renderBenchCsv(report) : renderBench(report, context.out));
          return 0;
        } finally {
          progress.stop();
        }
      }),
  );
  addExamples(command, [
    ["bench model.accllm", "this machine, the fast engine on all cores"],
    ["bench model.accllm --threads 1 --prefill 512 --depth 0,2000 --csv", "one thread, as a table of values"],
    ["bench model.accllm --device xrt:0 --json", "a card"],
  ]);
}

/** Whole numbers separated by commas. */
function numbers(option: string, least: number, most: number): (text: string) => number[] {
  return (text) => {
    const values = text.split(",").map((part) => (/^\d+$/.test(part.trim()) ? Number(part) : Number.NaN));
    if (values.every((value) => value >= least && value <= most)) return values;
    throw new UsageError(
      "BAD_OPTION",
      `The option ${option} cannot be ${JSON.stringify(text)}: it takes whole numbers of ${least} to ${most}, separated by commas.`,
    );
  };
}
