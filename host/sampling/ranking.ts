import { allIds, ranksBefore, sortedIds } from "./order.ts";
import { BLOCK, forEachBlock, highestOf, type Scores } from "./scores.ts";

/** Most ids that are selected; where more are asked for, all are sorted. */
const SELECTION = 1024;

/**
 * The best of a vocabulary without sorting it: one pass keeps the highest score of every block of ids, and the best
 * `count` are then looked for where a block's highest is at least the count-th of them. Its memory serves every token.
 */
export class Ranking {
  #scores: Scores = new Float32Array(0);
  #highest = new Float64Array(0);

  /**
   * Takes up scores, one per id; they must stay as they are until the next call.
   * @returns the id of the highest score, the lowest among equals; -1 where one is NaN or Infinity, or all are
   *   -Infinity
   */
  scan(scores: Scores): number {
    const blocks = Math.ceil(scores.length / BLOCK);
    if (this.#highest.length !== blocks) this.#highest = new Float64Array(blocks);
    this.#scores = scores;
    const highest = this.#highest;
    forEachBlock(scores.length, (start, end, block) => {
      highest[block] = highestOf(scores, start, end);
    });
    const best = highestOf(highest, 0, blocks);
    if (!(best > Number.NEGATIVE_INFINITY)) return -1;
    let id = highest.indexOf(best) * BLOCK;
    while (scores[id] !== best) id++;
    return id;
  }

  /** The best `count` ids in order, higher scores first and lower ids first among equals; all where there are fewer. */
  first(count: number): Uint32Array {
    const scores = this.#scores;
    const wanted = Math.min(count, scores.length);
    if (wanted > SELECTION) return sortedIds(scores).subarray(0, wanted);
    const heap = new WorstFirst(scores, wanted);
    const least = kthHighest(this.#highest, wanted);
    forEachBlock(scores.length, (start, end, block) => {
      if (this.#highest[block]! >= least) offerFrom(heap, scores, start, end, least);
    });
    return heap.sorted();
  }
}

function offerFrom(heap: WorstFirst, scores: Scores, start: number, end: number, least: number): void {
  for (let id = start; id < end; id++) if (scores[id]! >= least) heap.offer(id);
}

/** The count-th highest value, which so many blocks and at least so many scores reach; -Infinity where there are fewer. */
function kthHighest(values: Float64Array, count: number): number {
  if (values.length < count) return Number.NEGATIVE_INFINITY;
  const heap = new WorstFirst(values, count);
  for (let i = 0; i < values.length; i++) heap.offer(i);
  return values[heap.worst]!;
}

/** The best ids of those offered in ascending order: a heap with the worst of them at its root. */
class WorstFirst {
  readonly #scores: Scores;
  readonly #ids: Uint32Array<ArrayBuffer>;
  #count = 0;

  /** @param capacity at least 1 */
  constructor(scores: Scores, capacity: number) {
    this.#scores = scores;
    this.#ids = allIds(capacity);
  }

  get worst(): number {
    return this.#ids[0]!;
  }

  offer(id: number): void {
    const ids = this.#ids;
    if (this.#count < ids.length) {
      ids[this.#count++] = id;
      if (this.#count < ids.length) return;
      for (let node = (ids.length >> 1) - 1; node >= 0; node--) this.#siftDown(node, ids.length);
    } else if (this.#scores[id]! > this.#scores[ids[0]!]!) {
      // Ids rise, so an equal score ranks after what is kept.
      ids[0] = id;
      this.#siftDown(0, ids.length);
    }
  }

  /** All that are kept, the best first, once as many were offered as it holds. */
  sorted(): Uint32Array {
    const ids = this.#ids;
    for (let end = ids.length - 1; end > 0; end--) {
      const worst = ids[0]!;
      ids[0] = ids[end]!;
      ids[end] = worst;
      this.#siftDown(0, end);
    }
    return ids;
  }

  #siftDown(start: number, end: number): void {
    const [scores, ids] = [this.#scores, this.#ids];
    const moving = ids[start]!;
    let node = start;
    for (;;) {
      let child = 2 * node + 1;
      if (child >= end) break;
      if (child + 1 < end && ranksBefore(scores, ids[child]!, ids[child + 1]!)) child++;
      if (!ranksBefore(scores, moving, ids[child]!)) break;
      ids[node] = ids[child]!;
      node = child;
    }
    ids[node] = moving;
  }
}
