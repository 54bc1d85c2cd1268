import { allIds, ranksBefore, sortedIds } from "./order.ts";
import { BLOCK, type Scores } from "./scores.ts";

/** Most ids that are selected; where more are asked for, all are sorted. */
const SELECTION = 1024;
/** Scores that are looked at beforehand, for each that is kept: the best of these say what the best of all exceed. */
const PROBES = 8;

/**
 * The best of a vocabulary without sorting it: one pass compares every score with the worst that is kept so far. Its
 * memory serves every token.
 */
export class Ranking {
  #scores: Scores = new Float32Array(0);
  #best = new WorstFirst(1);
  #probes = new WorstFirst(1);
  #kept: Uint32Array = new Uint32Array(0);

  /**
   * Takes up scores, one per id; they must stay as they are until the next call.
   * @param count how many of the best are likely to be asked for
   * @returns the id of the highest score, the lowest among equals; -1 where one is NaN or Infinity, or all are
   *   -Infinity
   */
  scan(scores: Scores, count = 1): number {
    this.#scores = scores;
    const wanted = Math.min(count > SELECTION ? 1 : Math.max(1, count), scores.length);
    this.#kept = new Uint32Array(0);
    if (!this.#select(wanted)) return -1;
    const best = this.#kept[0];
    return best !== undefined && scores[best]! > Number.NEGATIVE_INFINITY ? best : -1;
  }

  /** The best `count` ids in order, higher scores first and lower ids first among equals; all where there are fewer. */
  first(count: number): Uint32Array {
    const wanted = Math.min(count, this.#scores.length);
    if (wanted > SELECTION) return sortedIds(this.#scores).subarray(0, wanted);
    if (wanted > this.#kept.length) this.#select(wanted);
    return this.#kept.subarray(0, wanted);
  }

  /** Keeps the best `count` ids, in order. @returns false where a score is NaN or Infinity */
  #select(count: number): boolean {
    const scores = this.#scores;
    const { length } = scores;
    if (this.#best.capacity !== count) this.#best = new WorstFirst(count);
    const best = this.#best.begin(scores);
    let least = Number.NEGATIVE_INFINITY;
    const step = Math.floor(length / (PROBES * count));
    if (step > 1) {
      if (this.#probes.capacity !== count) this.#probes = new WorstFirst(count);
      const probes = this.#probes.begin(scores);
      for (let id = 0; id < length; id += step) probes.offer(id);
      least = scores[probes.worst]!;
    }
    for (let start = 0; start < length; start += BLOCK) {
      least = offerFrom(best, scores, start, Math.min(start + BLOCK, length), least);
      if (Number.isNaN(least)) return false;
    }
    this.#kept = best.sorted();
    return true;
  }
}

/**
 * Offers the ids from `start` to before `end` whose scores are at least `least`.
 * @returns what the next ones have to reach; NaN where a score is NaN or Infinity
 */
function offerFrom(heap: WorstFirst, scores: Scores, start: number, end: number, least: number): number {
  let bar = least;
  let id = start;
  // Hardly any score passes: four at a time are two thirds of the time of one by one.
  for (; id + 3 < end; id += 4) {
    if (scores[id]! < bar && scores[id + 1]! < bar && scores[id + 2]! < bar && scores[id + 3]! < bar)
      continue;
    for (let next = id; next < id + 4; next++) bar = offerOne(heap, scores, next, bar);
  }
  for (; id < end; id++) bar = offerOne(heap, scores, id, bar);
  return bar;
}

/** As {@link offerFrom}, for one id. */
function offerOne(heap: WorstFirst, scores: Scores, id: number, bar: number): number {
  const score = scores[id]!;
  if (score < bar || Number.isNaN(bar)) return bar;
  if (!(score < Number.POSITIVE_INFINITY)) return Number.NaN;
  heap.offer(id);
  return heap.full ? scores[heap.worst]! : bar;
}

/** The best ids of those offered in ascending order: a heap with the worst of them at its root. */
class WorstFirst {
  readonly #ids: Uint32Array<ArrayBuffer>;
  #scores: Scores = new Float32Array(0);
  #count = 0;

  /** @param capacity at least 1 */
  constructor(capacity: number) {
    this.#ids = allIds(capacity);
  }

  get capacity(): number {
    return this.#ids.length;
  }

  /** Lets go what it holds. @returns itself */
  begin(scores: Scores): this {
    this.#scores = scores;
    this.#count = 0;
    return this;
  }

  get full(): boolean {
    return this.#count === this.#ids.length;
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
