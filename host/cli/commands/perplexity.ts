import type { Command } from "commander";
import { z } from "zod";
import { write, writeJson } from "../context.ts";
import { addDeviceOptions, addExamples, checkpointForms, numberOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { createProgress } from "../render/progress.ts";
import { renderPairs } from "../render/table.ts";
import { formatCount, formatSeconds } from "../render/units.ts";
import type { DeviceChoice } from "../services.ts";

interface PerplexityOptions extends DeviceChoice {
  text: string;
  context: number;
  maxTokens: number;
  tokenizer?: string;
}

export function addPerplexity(program: Command, run: RunVerb): void {
  const command = program
    .command("perplexity")
    .description(
      "Measure the perplexity of a model on a text. The whole text is tokenized and cut into windows; each gets the beginning-of-sequence token in front and a fresh cache. A checkpoint is evaluated in float32 on the CPU.",
    )
    .argument("<model>", `model image (.accllm) or checkpoint: ${checkpointForms}`)
    .requiredOption("--text <file>", "text to predict")
    .addOption(
      numberOption(
        "--context <n>",
        "tokens in a window, the first one included",
        z.number().int().min(2).max(1_000_000),
      ).default(256),
    )
    .addOption(
      numberOption("--max-tokens <n>", "predicted tokens at most", z.number().int().min(1).max(1e9)).default(
        Number.MAX_SAFE_INTEGER,
        "the whole text",
      ),
    )
    .option(
      "--tokenizer <file>",
      "tokenizer, where the checkpoint has none (tokenizer.json or llama2.c tokenizer.bin)",
    );
  addDeviceOptions(command, "share the windows").action((path: string, options: PerplexityOptions) =>
    run(async (context) => {
      const progress = createProgress(context, "Evaluating");
      try {
        const report = await context.services.perplexity(
          { path, ...options },
          { signal: context.signal, progress: (done, total) => progress.update(done, total) },
        );
        progress.stop();
        if (context.json) await writeJson(context, report);
        else {
          const pairs = renderPairs([
            ["perplexity", report.perplexity.toFixed(4)],
            ["loss", `${report.nll.toFixed(4)} nats/token`],
            ["tokens", formatCount(report.tokens)],
            ["time", formatSeconds(report.seconds)],
          ]);
          await write(context.stdout, pairs);
        }
        return 0;
      } finally {
        progress.stop();
      }
    }),
  );
  addExamples(command, [
    ["perplexity model.accllm --text story.txt --context 256", "an image, on the emulator"],
    ["perplexity models/demo --text story.txt --max-tokens 1000 --json", "its checkpoint, in float32"],
  ]);
}
