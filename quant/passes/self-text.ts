import type { FloatModel } from "../eval/float-model.ts";
import { Random } from "../eval/reference/random.ts";

/**
 * A token drawn from softmax(logits), temperature 1.
 * @param uniform in 0..1, 1 excluded.
 */
export function sampleToken(logits: Float32Array, uniform: number): number {
  let highest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) highest = Math.max(highest, logit);
  const weights = Float64Array.from(logits, (logit) => Math.exp(logit - highest));
  let left = uniform * weights.reduce((sum, weight) => sum + weight, 0);
  for (const [token, weight] of weights.entries()) {
    left -= weight;
    if (left < 0) return token;
  }
  return logits.length - 1;
}

/**
 * Lets a model write sequences of its own, from BOS, at temperature 1: calibration without a text. The same seed
 * gives the same tokens.
 * @param length tokens of a sequence that the model sees, BOS included.
 * @param onToken called after every token; may throw to stop.
 */
export async function writeSequences(
  model: FloatModel,
  options: {
    readonly count: number;
    readonly length: number;
    readonly seed: number;
    readonly onToken: () => void;
  },
): Promise<number[][]> {
  const random = new Random(options.seed);
  const sequences: number[][] = [];
  for (let i = 0; i < options.count; i++) {
    const ids = [model.config.bosId];
    model.reset();
    while (ids.length <= options.length) {
      for await (const logits of model.logits([ids.at(-1)!])) {
        ids.push(sampleToken(logits, random.word() / 2 ** 32));
      }
      options.onToken();
    }
    sequences.push(ids.slice(0, options.length));
  }
  return sequences;
}
