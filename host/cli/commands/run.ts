import type { Command } from "commander";
import {
  DEFAULT_MAX_TOKENS,
  type GenerationOptions,
  generationSchema,
  parseGeneration,
} from "../../config/generation.ts";
import { UsageError } from "../../errors.ts";
import { SAMPLER_DEFAULTS } from "../../sampling/sampler.ts";
import type { CliContext } from "../context.ts";
import { demoImage } from "../demo-image.ts";
import { addDeviceOptions, addExamples, numberOption, repeatedOption } from "../option.ts";
import type { RunVerb } from "../program.ts";
import { readPrompt } from "../prompt.ts";
import { loadingProgress } from "../render/progress.ts";
import { streamText } from "../render/stream.ts";
import type { DeviceChoice } from "../services.ts";

interface RunOptions extends GenerationOptions, DeviceChoice {
  prompt?: string;
  promptFile?: string;
}

/** What the demo model tells of when nothing is said, and how it likes to be sampled. */
const DEMO = { prompt: "Once upon a time", temperature: 0.7 } as const;
const INTERRUPTED = 130;

export function addRun(program: Command, run: RunVerb): void {
  const schema = generationSchema.shape;
  const defaults = SAMPLER_DEFAULTS;
  const command = program
    .command("run")
    .description(
      "Continue a prompt and stream the text to stdout. Without an image the demo model is used; it is quantized on first use.",
    )
    .argument("[image]", "model image (.accllm)")
    .argument("[-]", "read the prompt from stdin")
    .option("-p, --prompt <text>", "text to continue")
    .option("--prompt-file <file>", "file with the text to continue; - is stdin")
    .addOption(
      numberOption(
        "-n, --max-tokens <n>",
        `tokens to generate at most (default: ${DEFAULT_MAX_TOKENS})`,
        schema.maxTokens,
      ),
    )
    .addOption(
      numberOption(
        "--temperature <t>",
        `0 always takes the most likely token (default: ${defaults.temperature}; demo model ${DEMO.temperature})`,
        schema.temperature,
      ),
    )
    .addOption(
      numberOption(
        "--top-k <k>",
        `keep the k most likely tokens, 0 keeps all (default: ${defaults.topK})`,
        schema.topK,
      ),
    )
    .addOption(
      numberOption(
        "--top-p <p>",
        `keep the most likely tokens up to this probability (default: ${defaults.topP})`,
        schema.topP,
      ),
    )
    .addOption(
      numberOption(
        "--min-p <p>",
        `keep tokens this fraction as likely as the first (default: ${defaults.minP})`,
        schema.minP,
      ),
    )
    .addOption(
      numberOption(
        "--repeat-penalty <x>",
        `divide the logits of the last 64 tokens (default: ${defaults.repeatPenalty}, off)`,
        schema.repeatPenalty,
      ),
    )
    .addOption(
      numberOption(
        "--seed <n>",
        "seed that reproduces a text; chosen and reported where absent",
        schema.seed,
      ),
    )
    .addOption(repeatedOption("--stop <text>", "end before this text; may be repeated"))
    .addOption(
      numberOption(
        "--logprobs <n>",
        "with --json: log probabilities of the token and the n most likely",
        schema.logprobs,
      ),
    )
    .option("--ignore-eos", "go on past the end-of-sequence token");
  addDeviceOptions(command).action(
    (image: string | undefined, dash: string | undefined, options: RunOptions) =>
      run((context) => runModel(context, operands(image, dash), options)),
  );
  addExamples(command, [
    ["run", "a story by the demo model"],
    ["run model.accllm --prompt 'Once upon a time' --max-tokens 100", "continue a text"],
    ["run model.accllm --temperature 0 --json -p Hello", "greedy, one JSON object a token"],
    ["run model.accllm - < prompt.txt", "a prompt from stdin"],
  ]);
}

/** `run -` and `run IMG -` both read stdin. */
function operands(
  image: string | undefined,
  dash: string | undefined,
): { image: string | undefined; stdin: boolean } {
  if (image === "-" && dash === undefined) return { image: undefined, stdin: true };
  if (image === "-" || (dash !== undefined && dash !== "-")) {
    throw new UsageError(
      "BAD_COMMAND_LINE",
      `One image and a - for stdin are expected, not ${image} ${dash}.`,
      {
        hint: "Give the prompt with --prompt 'some text'.",
      },
    );
  }
  return { image, stdin: dash === "-" };
}

async function runModel(
  context: CliContext,
  { image, stdin }: { image: string | undefined; stdin: boolean },
  { prompt: promptText, promptFile, device, engine, threads, xclbin, ...given }: RunOptions,
): Promise<number> {
  const { services, signal } = context;
  const settings = parseGeneration(
    image === undefined ? { ...given, temperature: given.temperature ?? DEMO.temperature } : given,
  );
  const prompt =
    (await readPrompt(context, { prompt: promptText, promptFile, stdin })) ??
    (image === undefined ? DEMO.prompt : undefined);
  if (prompt === undefined) {
    throw new UsageError("NO_PROMPT", "There is no prompt to continue.", {
      hint: "Give one with --prompt 'some text', --prompt-file FILE, or - to read stdin.",
    });
  }
  const path = image ?? (await demoImage(context));
  const progress = loadingProgress(context);
  const model = await services
    .loadModel(path, { device, engine, threads, xclbin, signal, progress: progress.update })
    .finally(() => progress.stop());
  try {
    const { reason } = await streamText(context, prompt, model.generate(prompt, { ...settings, signal }));
    return reason === "cancelled" ? INTERRUPTED : 0;
  } finally {
    await model.close();
  }
}
