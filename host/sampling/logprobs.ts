import { firstIds } from "./ranking.ts";
import type { PlacedScores } from "./simd/placed-scores.ts";

/** Natural logarithm of a token's probability. */
export interface TokenLogprob {
  readonly id: number;
  readonly logprob: number;
}

/** The chosen token's log probability and those of the `top` most likely tokens, best first. */
export interface Logprobs {
  readonly logprob: number;
  readonly top: readonly TokenLogprob[];
}

/**
 * Log probabilities under the model itself: log-softmax of the raw logits at temperature 1, before penalty and
 * filters (what OpenAI's API reports), so that they do not depend on the sampling settings. Summed in double,
 * by ascending id.
 * @param placed logits [vocabulary]
 * @param max the highest of them
 */
export function logprobsOf(
  placed: PlacedScores,
  max: number,
  { chosen, top }: { readonly chosen: number; readonly top: number },
): Logprobs {
  const logits = placed.scores;
  const normalizer = max + Math.log(placed.sum({ highest: max, temperature: 1 }));
  const best = top > 0 ? firstIds(placed, top) : [];
  return {
    logprob: logits[chosen]! - normalizer,
    top: Array.from(best, (id) => ({ id, logprob: logits[id]! - normalizer })),
  };
}
