import { BLOCK } from "./simd/frame.ts";
import type { PlacedScores, Weighting } from "./simd/placed-scores.ts";

/**
 * Weights summed by ascending id, and the id in which a sum ends. Sums are kept from block to block and weights not at
 * all: the block's are computed again.
 */
export class MassById {
  readonly #scores: PlacedScores;
  readonly #weighting: Weighting;
  /** Of all weights. */
  readonly total: number;

  constructor(scores: PlacedScores, weighting: Weighting) {
    this.#scores = scores;
    this.#weighting = weighting;
    this.total = scores.sum(weighting);
  }

  /** The id that a part of the whole falls into. */
  draw(part: number): number {
    return this.over(part * this.total);
  }

  /** The first id through which the sum is over `mass`; the last one of weight over 0 where none is. */
  over(mass: number): number {
    const { sums } = this.#scores;
    const isEnough = (sum: number) => sum > mass || sum === this.total;
    let block = 0;
    while (!isEnough(sums[block]!)) block++;
    let id = block * BLOCK;
    for (let sum = sums[block - 1] ?? 0; ; id++) {
      sum = this.#scores.addWeights(sum, id, id + 1, this.#weighting);
      if (isEnough(sum)) return id;
    }
  }
}
