import { type Command, Option } from "commander";
import { z } from "zod";
import { type Method, methods, type RecipeName, recipeNames } from "../../../quant/passes/recipe.ts";
import {
  GROUP_SIZE,
  parseOverrides,
  WEIGHT_FORMATS,
  type WeightFormatName,
} from "../../config/quantization.ts";
import { addExamples, checkpointForms, numberOption, repeatedOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { evaluatedTokens, quantizeVerb } from "../quantization.ts";

interface CommandOptions {
  output?: string;
  weights: "auto" | WeightFormatName;
  override?: string[];
  rotateKv: boolean;
  centerK: boolean;
  calibration?: string;
  recipe: RecipeName;
  method?: Method;
  reconstruct?: number;
  finetune?: number;
  resume?: boolean;
  threads?: number;
  seed?: number;
  sinks?: number;
  window?: number;
  tokenizer?: string;
  sensitivity?: boolean;
  budget?: number;
  evaluate?: string;
  report?: string | true;
}

export function addQuantize(program: Command, run: RunVerb): void {
  const positions = z.number().int().max(1_000_000);
  const epochs = z.number().int().min(0).max(1000);
  const command = program
    .command("quantize")
    .description(
      "Quantize a checkpoint into a model image. The image appears when it is complete, never in part.",
    )
    .argument("<checkpoint>", checkpointForms)
    .option(
      "-o, --output <image>",
      "model image to write (.accllm); not needed to measure --sensitivity only",
    )
    .addOption(
      new Option(
        "--weights <format>",
        "auto takes w2s24 where the checkpoint is 2:4 already, the bits of a GPTQ checkpoint, else w2",
      )
        .choices(["auto", ...WEIGHT_FORMATS])
        .default("auto"),
    )
    .addOption(
      numberOption("--group <n>", "weights that share a scale", z.literal(GROUP_SIZE)).default(GROUP_SIZE),
    )
    .addOption(
      new Option(
        "--recipe <name>",
        "fast rounds to nearest; good also calibrates (gptq, for 2:4 sparsegpt); best also trains the quantized model on the float one",
      )
        .choices([...recipeNames])
        .default("fast"),
    )
    .addOption(new Option("--method <name>", "sets that part of the recipe").choices([...methods]))
    .addOption(numberOption("--reconstruct <epochs>", "trains layer by layer", epochs))
    .addOption(numberOption("--finetune <epochs>", "trains end to end", epochs))
    .addOption(
      repeatedOption(
        "--override <tensor=format>",
        "another format for a tensor, such as lm_head=w4 or layers.0.*=w8; may be repeated, the last that matches holds",
      ),
    )
    .option(
      "--sensitivity",
      "rank the tensors by what the model loses with each alone quantized; without -o nothing else is done",
    )
    .addOption(
      numberOption(
        "--budget <bits>",
        "choose every tensor's format (w2s24, w2, w4, w8; --override holds) for the least loss within so many bits per weight",
        z.number().positive().max(16),
      ),
    )
    .option(
      "--evaluate <text>",
      `measure the perplexity of checkpoint and image on the first ${evaluatedTokens} tokens of a text`,
    )
    .option(
      "--report [file]",
      "write an HTML report: error by layer, bits, perplexity where --evaluate gives a text (default: IMAGE.report.html)",
    )
    .option(
      "--rotate-kv",
      "rotate queries, keys and values per head by a Hadamard matrix, against the loss of int4",
      true,
    )
    .option("--no-rotate-kv", "do not rotate them")
    .option(
      "--center-k",
      "subtract a calibrated mean from every key, against the loss of int4 (models up to 256 MB in float32)",
      true,
    )
    .option("--no-center-k", "do not centre them")
    .option("--calibration <text>", "text file to calibrate on (default: what the model writes itself)")
    .option("--resume", "go on with the training of a run that was killed, given the same options")
    .addOption(
      numberOption("--threads <n>", "threads (default: one a processor)", z.number().int().min(1).max(1024)),
    )
    .addOption(
      numberOption(
        "--seed <n>",
        "seed of all training",
        z
          .number()
          .int()
          .min(0)
          .max(2 ** 32 - 1),
      ),
    )
    .addOption(
      numberOption("--sinks <n>", "first tokens that attention always sees (default: 4)", positions.min(0)),
    )
    .addOption(
      numberOption(
        "--window <n>",
        "last tokens that attention sees, the current one included (default: 2044, or what the model was trained on)",
        positions.min(1),
      ),
    )
    .option(
      "--tokenizer <file>",
      "tokenizer, where the checkpoint has none (tokenizer.json or llama2.c tokenizer.bin)",
    )
    .action((checkpoint: string, options: CommandOptions) =>
      run(async (context) => {
        const { override = [], rotateKv: hadamard, centerK: centerKeys, ...rest } = options;
        const { output, sensitivity, budget, evaluate, report: page, ...shared } = rest;
        const request = { checkpoint, hadamard, centerKeys, ...shared, overrides: parseOverrides(override) };
        await quantizeVerb(context, { request, output, sensitivity, budget, evaluate, page });
        return 0;
      }),
    );
  addExamples(command, [
    ["quantize models/demo -o demo.accllm", "2:4 and 2 bits, because the checkpoint is 2:4"],
    ["quantize ./llama --weights w4 --override lm_head.weight=w8 -o llama.accllm", "4 bits, 8 in one tensor"],
    ["quantize ./llama --sensitivity --calibration story.txt", "which tensors lose most, without an image"],
    [
      "quantize ./llama --budget 2.6 --recipe good --calibration story.txt -o llama.accllm",
      "the best at a size",
    ],
    ["quantize stories.bin --tokenizer tok512.bin --weights w8 -o stories.accllm", "a llama2.c checkpoint"],
  ]);
}
