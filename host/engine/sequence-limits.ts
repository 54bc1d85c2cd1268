import { UsageError } from "../errors.ts";

/** Positions are 32-bit words of the token record; this many stay clear of the sign. */
export const maxPositions = 2 ** 31 - 1;

/** @throws UsageError for a prompt without tokens, or with more than sinks and window hold */
export function checkPrompt(
  ids: readonly number[],
  { sinks, window }: { readonly sinks: number; readonly window: number },
): void {
  if (ids.length === 0) throw new UsageError("EMPTY_PROMPT", "The prompt has no tokens.");
  if (ids.length <= sinks + window) return;
  throw new UsageError(
    "PROMPT_TOO_LONG",
    `The prompt has ${ids.length} tokens; ${sinks} sinks and a window of ${window} keep ${sinks + window} of them.`,
    { hint: `Shorten the prompt by ${ids.length - sinks - window} tokens or widen the window.` },
  );
}

/** @throws UsageError for tokens outside the vocabulary, or for more than may follow a position */
export function checkTokens(ids: readonly number[], vocabSize: number, position: number): void {
  for (const id of ids) {
    if (Number.isInteger(id) && id >= 0 && id < vocabSize) continue;
    throw new UsageError("BAD_TOKEN", `${id} is no token of this model's ${vocabSize}.`);
  }
  if (position + ids.length > maxPositions) {
    throw new UsageError(
      "SEQUENCE_TOO_LONG",
      `${ids.length} tokens after ${position} pass the last position, ${maxPositions}.`,
      { hint: "Start a new sequence." },
    );
  }
}
