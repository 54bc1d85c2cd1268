import { readFile } from "node:fs/promises";
import { InputError, UsageError } from "../../host/errors.ts";
import { loadTokenizer } from "../../host/text/tokenizer.ts";
import { FloatModel } from "../eval/float-model.ts";
import { type Checkpoint, requireTokenizer } from "../io/checkpoint.ts";
import { floatBytes, maxFloatBytes } from "./float-size.ts";
import { writeSequences } from "./self-text.ts";

/**
 * Cuts a text into sequences for calibration: BOS and `length` - 1 tokens each, taken at equal distances so that the
 * whole text is seen however few are asked for. A text that is too short gives fewer, or one that is shorter.
 * @param length tokens of a sequence, BOS included.
 * @returns at least one sequence of at least two tokens.
 * @throws InputError for a text that cannot be read, is empty or has characters outside the vocabulary.
 */
export async function readSequences(
  checkpoint: Checkpoint,
  path: string,
  count: number,
  length: number,
): Promise<number[][]> {
  const ids = encodeText(checkpoint, await readText(path));
  if (ids.length === 0) throw new InputError("TEXT_EMPTY", `The calibration text ${path} is empty.`);
  const body = length - 1;
  const whole = Math.floor(ids.length / body);
  const used = Math.max(1, Math.min(count, whole));
  return Array.from({ length: used }, (_, i) => {
    const start = Math.floor((i * Math.max(whole, 1)) / used) * body;
    return [checkpoint.config.bosId, ...ids.slice(start, start + body)];
  });
}

async function readText(path: string): Promise<string> {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(await readFile(path));
  } catch (error) {
    const reason = error instanceof TypeError ? "it is not UTF-8" : (error as Error).message;
    throw new InputError("CALIBRATION_UNREADABLE", `Cannot read the calibration text ${path}: ${reason}.`, {
      cause: error,
    });
  }
}

function encodeText(checkpoint: Checkpoint, text: string): number[] {
  const { tokenizerJson, tokenizerConfig } = requireTokenizer(checkpoint);
  const { bosId, eosIds, vocabSize } = checkpoint.config;
  const ids = loadTokenizer(tokenizerJson, tokenizerConfig, { bosId, eosIds }).encode(text);
  const outside = ids.find((id) => id >= vocabSize);
  if (outside === undefined) return ids;
  throw new InputError(
    "TOKEN_OUTSIDE_VOCABULARY",
    `Token id ${outside} of the calibration text is outside the model's vocabulary of ${vocabSize}.`,
    { hint: "The tokenizer belongs to another model." },
  );
}

/** Sequences that a model writes for itself where no text is given: half the length, and fewer. */
const selfWritten = { count: 64, length: 128 } as const;

/**
 * Sequences to calibrate on: of a text, or, for models that are small enough, what the model writes itself.
 * @param text a file.
 * @throws UsageError where a text is needed; InputError, InterruptedError.
 */
export async function calibrationSequences(
  checkpoint: Checkpoint,
  text: string | undefined,
  options: {
    readonly count: number;
    readonly length: number;
    readonly seed: number;
    /** Called after every token that the model writes; may throw to stop. */
    readonly onToken: () => void;
    readonly signal?: AbortSignal | undefined;
  },
): Promise<number[][]> {
  const { count, length, seed, onToken, signal } = options;
  if (text !== undefined) return readSequences(checkpoint, text, count, length);
  if (floatBytes(checkpoint) > maxFloatBytes) {
    throw new UsageError(
      "CALIBRATION_MISSING",
      "This calibrates, and the model is too large to write a text for it.",
      { hint: "Give a text of its domain with --calibration, or use --recipe fast." },
    );
  }
  const model = await FloatModel.load(checkpoint, signal === undefined ? {} : { signal });
  const own = { count: Math.min(selfWritten.count, count), length: Math.min(selfWritten.length, length) };
  return writeSequences(model, { ...own, seed, onToken });
}
