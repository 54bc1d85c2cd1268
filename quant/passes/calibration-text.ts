import { readFile } from "node:fs/promises";
import { InputError } from "../../host/errors.ts";
import { loadTokenizer } from "../../host/text/tokenizer.ts";
import { type Checkpoint, requireTokenizer } from "../io/checkpoint.ts";

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
