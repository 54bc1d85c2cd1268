import { type Command, Option } from "commander";
import { z } from "zod";
import { ENGINES, MAX_THREADS, parseEngine } from "../config/engine.ts";
import { describeIssue } from "../config/issue.ts";
import { parseDeviceList } from "../device/specification.ts";
import { UsageError } from "../errors.ts";

const NUMBER = /^[-+]?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/i;

/**
 * An option that takes a number, checked by a schema.
 * @param flags commander's, such as "--top-k <n>"
 */
export function numberOption(
  flags: string,
  description: string,
  schema: z.ZodType<number | undefined>,
): Option {
  const option = new Option(flags, description);
  return option.argParser((text: string) => {
    const value = NUMBER.test(text) ? Number(text) : Number.NaN;
    const problem = Number.isNaN(value) ? "it must be a number" : firstIssue(schema, value);
    if (problem === undefined) return value;
    throw new UsageError(
      "BAD_OPTION",
      `The option ${option.long} cannot be ${JSON.stringify(text)}: ${problem}.`,
    );
  });
}

function firstIssue(schema: z.ZodType, value: unknown): string | undefined {
  const result = schema.safeParse(value);
  return result.success ? undefined : describeIssue(result.error.issues[0]!);
}

/** An option that may be given several times; its values in order. */
export function repeatedOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, before: string[] | undefined) => [
    ...(before ?? []),
    text,
  ]);
}

/**
 * --device, --engine, --threads and --xclbin, for every verb that runs a model.
 * @param several what the verb does with several devices; absent where it takes one
 */
export function addDeviceOptions(command: Command, several?: string): Command {
  const names = "emulator, xrt:0 (card by index) or xrt:0000:3b:00.1 (by PCIe address)";
  const list = `; several, separated by commas, ${several} (emulator:2 is two)`;
  return command
    .addOption(
      new Option("--device <name>", several === undefined ? names : names + list)
        .default("emulator")
        .argParser((text: string) => {
          if (several === undefined && parseDeviceList(text).length > 1) {
            throw new UsageError(
              "ONE_DEVICE",
              `accllm ${command.name()} runs one text on one device, not on ${text}.`,
              {
                hint: "serve, perplexity, bench and verify take several devices.",
              },
            );
          }
          return text;
        }),
    )
    .addOption(
      new Option("--engine <name>", `engine of the emulator: ${ENGINES.join(", ")}`)
        .env("ACCLLM_EMU_ENGINE")
        .default(ENGINES[0])
        .argParser(parseEngine),
    )
    .addOption(
      numberOption(
        "--threads <n>",
        "threads of the fast engine (default: one a core)",
        z.number().int().min(1).max(MAX_THREADS),
      ),
    )
    .option("--xclbin <file>", "bitstream to load into a card (default: bitstreams/<platform>.xclbin)");
}

/** Examples at the end of a verb's --help. */
export function addExamples(
  command: Command,
  examples: readonly (readonly [line: string, what: string])[],
): Command {
  const lines = examples.map(([line, what]) => `  # ${what}\n  $ accllm ${line}`);
  return command.addHelpText("after", `\nExamples:\n${lines.join("\n")}`);
}

/** What a verb takes as a checkpoint, for its help. */
export const checkpointForms = "Hugging Face folder (safetensors, also GPTQ), .gguf or llama2.c .bin";
