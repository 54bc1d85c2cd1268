import { DeviceError } from "../errors.ts";
import { type Logprobs, logprobsOf } from "./logprobs.ts";
import { MassById } from "./mass-by-id.ts";
import { penalizeRepeats, RecentTokens } from "./penalty.ts";
import { randomSeed, Xoshiro128 } from "./prng.ts";
import { RankedMass } from "./ranked-mass.ts";
import { firstIds } from "./ranking.ts";
import { PlacedScores } from "./simd/placed-scores.ts";

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
 * sums over falling rank, by {@link RankedMass} where top-k is off, or over ascending id, by {@link MassById}, where no
 * filter is on; sums of lower precision only name a token where these are sure to name the same) and
 * {@link Xoshiro128}. One 53-bit draw is taken per sampled token, none where temperature is 0 or top-k is 1.
 */
export class Sampler {
  /** The seed in use, chosen at random where none was given. */
  readonly seed: number;
  readonly #options: { [K in keyof typeof SAMPLER_DEFAULTS]: number };
  readonly #logprobs: number | undefined;
  /** How many of the best scores are drawn from: 1 takes the best, 0 all. */
  readonly #choices: number;
  readonly #random: Xoshiro128;
  readonly #recent = new RecentTokens();
  #penalizedScores = new Float64Array(0);

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
    this.#choices = this.#options.temperature === 0 ? 1 : this.#options.topK;
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
    const placed = new PlacedScores(logits);
    const best = placed.best();
    if (best < 0) throw unusable(logits);
    const id = this.#choose(placed, best);
    this.accept(id);
    if (this.#logprobs === undefined) return { id };
    const request = { chosen: id, top: this.#logprobs };
    return { id, logprobs: logprobsOf(placed, logits[best]!, request) };
  }

  /** @param best the id of the highest logit */
  #choose(placed: PlacedScores, best: number): number {
    const { repeatPenalty } = this.#options;
    const logits = placed.scores;
    if (repeatPenalty === 1) return this.#choices === 1 ? best : this.#draw(placed, logits[best]!);
    if (this.#penalizedScores.length !== logits.length) {
      this.#penalizedScores = new Float64Array(logits.length);
    }
    const scores = this.#penalizedScores;
    scores.set(logits);
    penalizeRepeats(scores, this.#recent.distinct(), repeatPenalty);
    const penalized = new PlacedScores(scores);
    const bestScore = penalized.best();
    return this.#choices === 1 ? bestScore : this.#draw(penalized, scores[bestScore]!);
  }

  /** An id from what the filters leave. @param highest of the scores */
  #draw(placed: PlacedScores, highest: number): number {
    const { temperature, topK, topP, minP } = this.#options;
    const weighting = { highest, temperature };
    const draw = this.#random.nextDouble();
    if (topK > 0) return placed.drawFirst(firstIds(placed, topK), weighting, { topP, minP }, draw);
    if (topP === 1 && minP === 0) {
      return placed.drawById(weighting, draw) ?? new MassById(placed, weighting).draw(draw);
    }
    const id = minP === 0 ? placed.drawByRank(weighting, topP, draw) : undefined;
    return id ?? new RankedMass(placed, weighting, minP).draw(topP, draw);
  }
}

/** The error for logits without a highest one that is finite. */
function unusable(logits: Float32Array): DeviceError {
  const bad = logits.findIndex((logit) => !(logit < Number.POSITIVE_INFINITY));
  return new DeviceError(
    "LOGITS_NOT_FINITE",
    bad < 0
      ? "The device returned no finite logit."
      : `The device returned ${logits[bad]} as the logit of token ${bad}.`,
    {
      hint: "Run `accllm verify` on this image and device; a card that fails it computes wrongly.",
    },
  );
}
