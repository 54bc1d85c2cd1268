import { addWeights, BLOCK, forEachBlock, type Scores, type Weighting } from "./scores.ts";

/**
 * Weights summed by ascending id, and the id in which a sum ends. Sums are kept from block to block and weights not at
 * all: the block's are computed again. Its memory serves every token.
 */
export class MassById {
  #scores: Scores = new Float32Array(0);
  #weighting: Weighting = { highest: 0, temperature: 1 };
  /** Before each block, and of all. */
  #sums = new Float64Array(1);

  /** Takes up scores, one per id; they must stay as they are until the next call. @returns their weights' sum */
  sum(scores: Scores, weighting: Weighting): number {
    this.#scores = scores;
    this.#weighting = weighting;
    const blocks = Math.ceil(scores.length / BLOCK);
    if (this.#sums.length !== blocks + 1) this.#sums = new Float64Array(blocks + 1);
    const sums = this.#sums;
    forEachBlock(scores.length, (start, end, block) => {
      sums[block + 1] = addWeights(sums[block]!, scores, start, end, weighting);
    });
    return sums[blocks]!;
  }

  /** The first id through which the sum is over `mass`; the last one of weight over 0 where none is. */
  over(mass: number): number {
    const sums = this.#sums;
    const total = sums[sums.length - 1]!;
    const isEnough = (sum: number) => sum > mass || sum === total;
    let block = 0;
    while (!isEnough(sums[block + 1]!)) block++;
    let id = block * BLOCK;
    for (let sum = sums[block]!; ; id++) {
      sum = addWeights(sum, this.#scores, id, id + 1, this.#weighting);
      if (isEnough(sum)) return id;
    }
  }
}
