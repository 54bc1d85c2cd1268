import { allIds } from "../order.ts";
import { BLOCK, BUCKETS, type Frame, frameAt } from "./frame.ts";
import { vectors } from "./vectors.ts";

/** One number per token: logits, or, as doubles, what a penalty made of them. */
export type Scores = Float32Array | Float64Array;

/** What makes a score a weight: exp((score - highest) / temperature). */
export interface Weighting {
  /** At least every score. */
  readonly highest: number;
  readonly temperature: number;
}

/** What is left of ids: the first ones whose weights reach topP of all together, of them those of at least minP. */
export interface Filters {
  readonly topP: number;
  readonly minP: number;
}

/**
 * Scores in the memory of a WebAssembly module, whose loops go through a vocabulary several at a time (vector.as). All
 * callers share that memory: scores stay where they are until others of the same type are placed at the same depth.
 */
export class PlacedScores {
  readonly scores: Scores;
  readonly #depth: number;
  readonly #frame: Frame;
  readonly #pointer: number;
  readonly #wide: number;
  #best: number | undefined;

  /** @param depth 0, or one more than that of the scores that these are taken of */
  constructor(scores: Scores, depth = 0) {
    this.scores = scores;
    this.#depth = depth;
    this.#frame = frameAt(depth, scores.length);
    if (scores instanceof Float32Array) {
      this.#wide = 0;
      this.#pointer = this.#frame.narrow;
      this.#frame.set(scores);
    } else {
      this.#wide = 1;
      this.#pointer = this.#frame.wide;
      new Float64Array(vectors.memory.buffer, this.#pointer, scores.length).set(scores);
    }
  }

  get length(): number {
    return this.scores.length;
  }

  /** Some of these scores, by ascending id. */
  among(ids: Uint32Array): PlacedScores {
    const { scores } = this;
    const some = scores instanceof Float32Array ? new Float32Array(ids.length) : new Float64Array(ids.length);
    for (let i = 0; i < ids.length; i++) some[i] = scores[ids[i]!]!;
    return new PlacedScores(some, this.#depth + 1);
  }

  /**
   * The id of the highest score, the lowest among equals; -1 where one is NaN or Infinity, or all are -Infinity.
   */
  best(): number {
    this.#best ??= vectors.best(this.#pointer, this.#wide, this.length);
    return this.#best;
  }

  /** The lowest score that is finite; Infinity where there is none. */
  lowest(): number {
    return vectors.lowest(this.#pointer, this.#wide, this.length);
  }

  /**
   * The best ids in order, higher scores first and lower ids first among equals; valid until the next call.
   * @param count 1 to length
   */
  select(count: number): Uint32Array {
    vectors.select(this.#pointer, this.#wide, this.length, count, this.#frame.ids);
    return new Uint32Array(vectors.memory.buffer, this.#frame.ids, count);
  }

  /**
   * The id that a part of the weights falls into which the filters leave of some ids: the first one through which their sum
   * is over that.
   * @param ids in order of rank, the best one first
   * @param draw the part, below 1
   */
  drawFirst(
    ids: Uint32Array,
    { highest, temperature }: Weighting,
    { topP, minP }: Filters,
    draw: number,
  ): number {
    const place = this.#frame.ids;
    new Uint32Array(vectors.memory.buffer, place, ids.length).set(ids);
    const { length } = ids;
    return vectors.drawFirst(
      this.#pointer,
      this.#wide,
      length,
      highest,
      temperature,
      topP,
      minP,
      draw,
      place,
    );
  }

  /**
   * The id that a part of all weights, in order of ids, falls into, by sums of lower precision; undefined where they leave
   * that open.
   */
  drawById({ highest, temperature }: Weighting, draw: number): number | undefined {
    const { sums } = this.#frame;
    const id = vectors.drawById(this.#pointer, this.#wide, this.length, highest, temperature, draw, sums);
    return id < 0 ? undefined : id;
  }

  /** The same in order of rank, of what top-p leaves. */
  drawByRank({ highest, temperature }: Weighting, topP: number, draw: number): number | undefined {
    const { ids } = this.#frame;
    const id = vectors.drawByRank(
      this.#pointer,
      this.#wide,
      this.length,
      highest,
      temperature,
      topP,
      draw,
      ids,
    );
    return id < 0 ? undefined : id;
  }

  /** The sum of all weights by ascending id; {@link sums} has those through every block. */
  sum({ highest, temperature }: Weighting): number {
    return vectors.sumBlocks(this.#pointer, this.#wide, this.length, highest, temperature, this.#frame.sums);
  }

  /** The sum through every block of ids, as {@link sum} left it. */
  get sums(): Float64Array {
    return new Float64Array(vectors.memory.buffer, this.#frame.sums, Math.ceil(this.length / BLOCK));
  }

  /** `start` and the weights from id `from` to before `to`, added by ascending id. */
  addWeights(start: number, from: number, to: number, { highest, temperature }: Weighting): number {
    return vectors.addRange(start, this.#pointer, this.#wide, from, to, highest, temperature);
  }

  /**
   * Puts ids into buckets by (highest score - score) * perScore; an id of weight 0 is in none. {@link masses} has the
   * buckets' weights, added by ascending id.
   * @param top the highest score
   * @param least what a weight needs to count as likely
   * @returns the likely weights' sum
   */
  deal(
    { highest, temperature }: Weighting,
    { top, perScore, least }: { readonly top: number; readonly perScore: number; readonly least: number },
  ): number {
    this.masses.fill(0);
    const { buckets, masses } = this.#frame;
    return vectors.deal(
      this.#pointer,
      this.#wide,
      this.length,
      highest,
      temperature,
      top,
      perScore,
      least,
      buckets,
      masses,
    );
  }

  get masses(): Float64Array {
    return new Float64Array(vectors.memory.buffer, this.#frame.masses, BUCKETS);
  }

  /** The ids in a bucket, ascending; a copy. */
  idsIn(bucket: number): Uint32Array {
    const count = vectors.idsIn(this.#frame.buckets, this.length, bucket, this.#frame.ids);
    return new Uint32Array(vectors.memory.buffer, this.#frame.ids, count).slice();
  }

  /** The ids that are in any bucket, ascending. */
  dealtIds(): Uint32Array {
    const buckets = new Uint16Array(vectors.memory.buffer, this.#frame.buckets, this.length);
    return allIds(this.length).filter((id) => buckets[id] !== BUCKETS);
  }
}
