import { expNonPositive } from "./exp.ts";
import { argmax, RankedIds } from "./selection.ts";

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
 * @param logits [vocabulary]
 */
export function logprobsOf(logits: Float32Array, chosen: number, top: number): Logprobs {
  const max = logits[argmax(logits)]!;
  let sum = 0;
  for (let id = 0; id < logits.length; id++) sum += expNonPositive(logits[id]! - max);
  const normalizer = max + Math.log(sum);
  const best = top > 0 ? new RankedIds(logits).first(top) : [];
  return {
    logprob: logits[chosen]! - normalizer,
    top: Array.from(best, (id) => ({ id, logprob: logits[id]! - normalizer })),
  };
}
