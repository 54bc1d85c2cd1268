import { DeviceError } from "../errors.ts";
import { expNonPositive } from "./exp.ts";
import { type Logprobs, logprobsOf } from "./logprobs.ts";
import { penalizeRepeats, RecentTokens } from "./penalty.ts";
import { randomSeed, Xoshiro128 } from "./prng.ts";
import { RankedMass } from "./ranked-mass.ts";
import { argmax, RankedIds } from "./selection.ts";

export interface SamplerOptions {
  /** 0 is greedy: the highest logit, the lowest id among equals. Default 0.8. */
  readonly temperature?: number | undefined;
  /** Keep the k most likely tokens; 0 keeps all. Default 40. */
  readonly topK?: number | undefined;
  /** Keep the fewest most likely tokens whose probabilities reach p together; 1 keeps all. Default 0.95. */
  readonly topP?: number | undefined;
  /** Keep tokens at least this fraction as likely as the most likely one; 0 keeps all. Default 0. */
  readonly minP?: number | undefined;
  /** Divides (multiplies, where negative) logits of tokens among the last 64; 1 is off, the default. */
  readonly repeatPenalty?: number | undefined;
  /** Integer in 0..2^53-1; one is chosen and reported where none is given. */
  readonly seed?: number | undefined;
  /** Report the chosen token's log probability and those of this many most likely tokens; absent reports none. */
  readonly logprobs?: number | undefined;
}

/** What the sampler does when nothing is said. */
export const SAMPLER_DEFAULTS = {
  temperature: 0.8,
  topK: 40,
  topP: 0.95,
  minP: 0,
  repeatPenalty: 1,
} as const;

export interface Sample {
  readonly id: number;
  readonly logprobs?: Logprobs;
}

/**
 * Chooses tokens from logits. The order of the filters is that of Hugging Face transformers: repeat penalty,
 * temperature, top-k, top-p, min-p, then one draw from what is left, weighted by probability.
 *
 * The same logits and seed give the same tokens on every machine: logits become doubles, and everything after
 * uses only IEEE +, -, *, / in a fixed order (weights exp((logit - max) / temperature) by {@link expNonPositive},
 * sums over falling rank, by {@link RankedMass} where top-k is off, or over ascending id where no filter is on) and
 * {@link Xoshiro128}. One 53-bit draw is
 * taken per sampled token, none where temperature is 0 or top-k is 1.
 */
export class Sampler {
  /** The seed in use, chosen at random where none was given. */
  readonly seed: number;
  readonly #options: { [K in keyof typeof SAMPLER_DEFAULTS]: number };
  readonly #logprobs: number | undefined;
  readonly #random: Xoshiro128;
  readonly #recent = new RecentTokens();
  readonly #room = { scores: new Float64Array(0), weights: new Float64Array(0) };

  constructor(options: SamplerOptions = {}) {
    this.seed = options.seed ?? randomSeed();
    this.#options = {
      temperature: options.temperature ?? SAMPLER_DEFAULTS.temperature,
      topK: options.topK ?? SAMPLER_DEFAULTS.topK,
      topP: options.topP ?? SAMPLER_DEFAULTS.topP,
      minP: options.minP ?? SAMPLER_DEFAULTS.minP,
      repeatPenalty: options.repeatPenalty ?? SAMPLER_DEFAULTS.repeatPenalty,
    };
    this.#logprobs = options.logprobs;
    this.#random = new Xoshiro128(this.seed);
  }

  /** Puts a token into the window of the repeat penalty: the prompt's tokens, before the first sample. */
  accept(id: number): void {
    this.#recent.add(id);
  }

  /**
   * Chooses the next token and accepts it.
   * @param logits [vocabulary], unchanged afterwards; -Infinity excludes a token
   * @throws DeviceError where logits hold NaN or +Infinity, or exclude every token
   */
  sample(logits: Float32Array): Sample {
    const best = bestLogit(logits);
    const id = this.#choose(logits, best);
    this.accept(id);
    return this.#logprobs === undefined ? { id } : { id, logprobs: logprobsOf(logits, id, this.#logprobs) };
  }

  /** @param bestId the id of the highest logit */
  #choose(logits: Float32Array, bestId: number): number {
    const { temperature, topK, topP, minP, repeatPenalty } = this.#options;
    let scores: Float32Array | Float64Array = logits;
    let best = bestId;
    if (repeatPenalty !== 1) {
      const penalized = this.#scratch("scores", logits.length);
      penalized.set(logits);
      penalizeRepeats(penalized, this.#recent.distinct(), repeatPenalty);
      best = argmax(penalized);
      scores = penalized;
    }
    if (temperature === 0 || topK === 1) return best;

    const highest = scores[best]!;
    const weightOf = (id: number) => expNonPositive((scores[id]! - highest) / temperature);
    if (topK > 0) {
      const { ids, weights, mass } = filterRanked(new RankedIds(scores).first(topK), weightOf, {
        topP,
        minP,
      });
      return ids[this.#draw(weights, mass)]!;
    }
    const weights = this.#scratch("weights", logits.length);
    let total = 0;
    for (let id = 0; id < scores.length; id++) {
      const weight = weightOf(id);
      weights[id] = weight;
      total += weight;
    }
    if (topP === 1 && minP === 0) return this.#draw(weights, total);
    const ranked = new RankedMass(scores, weights);
    const mass = Math.min(
      topP < 1 ? ranked.placeAt(topP * total).through : total,
      minP > 0 ? massFrom(weights, minP) : total,
    );
    return ranked.placeOver(this.#random.nextDouble() * mass).id;
  }

  /** Room for one number a token, kept from sample to sample. */
  #scratch(use: "scores" | "weights", length: number): Float64Array {
    if (this.#room[use].length !== length) this.#room[use] = new Float64Array(length);
    return this.#room[use];
  }

  /** An index, with probability proportional to its weight. @param total the weights' sum, from the first on */
  #draw(weights: Float64Array, total: number): number {
    let left = this.#random.nextDouble() * total;
    let last = 0;
    for (let i = 0; i < weights.length; i++) {
      const weight = weights[i]!;
      if (weight === 0) continue;
      last = i;
      left -= weight;
      if (left < 0) return i;
    }
    return last;
  }
}

/**
 * Top-p, then min-p, on the ids that top-k has left, by falling probability. Those that survive come with their
 * unnormalized weights; `mass` is the weights' sum.
 */
function filterRanked(
  ids: Uint32Array,
  weightOf: (id: number) => number,
  { topP, minP }: { topP: number; minP: number },
): { ids: Uint32Array; weights: Float64Array; mass: number } {
  const weights = Float64Array.from(ids, weightOf);
  const whole = weights.reduce((sum, weight) => sum + weight, 0);
  let mass = 0;
  let count = 0;
  while (count < ids.length) {
    const weight = weights[count]!;
    // The best weight is exactly 1, so min-p compares weights without normalizing them.
    if (weight === 0 || weight < minP) break;
    count++;
    mass += weight;
    if (topP < 1 && mass >= topP * whole) break;
  }
  return { ids, weights: weights.subarray(0, count), mass };
}

/** Sum of the weights of at least `least`, by ascending id; the best weight is exactly 1. */
function massFrom(weights: Float64Array, least: number): number {
  let mass = 0;
  for (let id = 0; id < weights.length; id++) if (weights[id]! >= least) mass += weights[id]!;
  return mass;
}

/** Id of the highest logit, the lowest among equals. @throws DeviceError where logits are not to be used */
function bestLogit(logits: Float32Array): number {
  let best = -1;
  let highest = Number.NEGATIVE_INFINITY;
  for (let id = 0; id < logits.length; id++) {
    const logit = logits[id]!;
    if (logit > highest) {
      highest = logit;
      best = id;
    }
    if (logit < Number.POSITIVE_INFINITY) continue;
    throw new DeviceError("LOGITS_NOT_FINITE", `The device returned ${logit} as the logit of token ${id}.`, {
      hint: "Run `accllm verify` on this image and device; a card that fails it computes wrongly.",
    });
  }
  if (best >= 0) return best;
  throw new DeviceError("LOGITS_NOT_FINITE", "The device returned no finite logit.", {
    hint: "Run `accllm verify` on this image and device; a card that fails it computes wrongly.",
  });
}
