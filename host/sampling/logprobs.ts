import type { Ranking } from "./ranking.ts";
import { addWeights, forEachBlock } from "./scores.ts";

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
 * @param logits [vocabulary], as the ranking has taken them up
 * @param max the highest of them
 */
export function logprobsOf(
  logits: Float32Array,
  max: number,
  ranking: Ranking,
  { chosen, top }: { readonly chosen: number; readonly top: number },
): Logprobs {
  let sum = 0;
  const weighting = { highest: max, temperature: 1 };
  forEachBlock(logits.length, (start, end) => {
    sum = addWeights(sum, logits, start, end, weighting);
  });
  const normalizer = max + Math.log(sum);
  const best = top > 0 ? ranking.first(top) : [];
  return {
    logprob: logits[chosen]! - normalizer,
    top: Array.from(best, (id) => ({ id, logprob: logits[id]! - normalizer })),
  };
}
