import { UsageError } from "../errors.ts";
import type { TextCodec } from "./generate.ts";

/**
 * A prompt's token ids, checked.
 * @param prompt text, or token ids to take as they are
 * @param limit most tokens
 * @throws UsageError EMPTY_PROMPT, BAD_TOKEN, PROMPT_TOO_LONG
 */
export function promptIds(
  codec: TextCodec,
  prompt: string | readonly number[],
  limit: number,
): readonly number[] {
  if (prompt.length === 0) {
    throw new UsageError("EMPTY_PROMPT", "The prompt is empty; there is nothing to continue.", {
      hint: "Give at least one character, for example --prompt 'Once upon a time'.",
    });
  }
  const ids = typeof prompt === "string" ? codec.encode(prompt) : prompt;
  if (ids.length === 0) {
    throw new UsageError(
      "EMPTY_PROMPT",
      `The prompt ${JSON.stringify(prompt)} has no tokens in this model's vocabulary.`,
    );
  }
  const unknown = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= codec.vocabSize);
  if (unknown !== undefined) {
    throw new UsageError(
      "BAD_TOKEN",
      `The prompt holds ${unknown}, which is no token of this model's ${codec.vocabSize}.`,
    );
  }
  if (ids.length > limit) {
    throw new UsageError(
      "PROMPT_TOO_LONG",
      `The prompt has ${ids.length} tokens; this model takes at most ${limit}.`,
      {
        hint: `Shorten the prompt by at least ${ids.length - limit} tokens.`,
      },
    );
  }
  return ids;
}
