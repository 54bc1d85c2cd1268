/**
 * Partial selection over token ids, so that a vocabulary of 128,000 is rarely sorted and never with a comparison
 * function. The order is total: higher score first, and the lower id first among equal scores, so that the result
 * does not depend on the method.
 */
export function ranksBefore(scores: ArrayLike<number>, a: number, b: number): boolean {
  const x = scores[a]!;
  const y = scores[b]!;
  return x > y || (x === y && a < b);
}

/** Id of the highest score, the lowest among equals. */
export function argmax(scores: ArrayLike<number>): number {
  let best = 0;
  let highest = scores[0]!;
  for (let id = 1; id < scores.length; id++) {
    if (scores[id]! > highest) {
      highest = scores[id]!;
      best = id;
    }
  }
  return best;
}

/** Longest front that is selected; where more is asked for, all are sorted. */
const SELECTION = 1024;

/** Ids in a lazily sorted order: only the front that somebody asks for is selected and sorted. */
export class RankedIds {
  readonly #scores: ArrayLike<number>;
  #front = new Uint32Array(0);

  /** @param scores one finite or -Infinity score per id. */
  constructor(scores: ArrayLike<number>) {
    this.#scores = scores;
  }

  get length(): number {
    return this.#scores.length;
  }

  /** The best `count` ids in order (all where there are fewer). A view, valid until the next call. */
  first(count: number): Uint32Array {
    const end = Math.min(count, this.length);
    if (end > this.#front.length) this.#sortTo(end);
    return this.#front.subarray(0, end);
  }

  #sortTo(wanted: number): void {
    const count = Math.min(wanted, this.length);
    this.#front = count <= SELECTION ? bestIds(this.#scores, count) : sortedIds(this.#scores);
  }
}

/** The best `count` ids in order, by one pass with a heap whose root is the worst id kept. */
function bestIds(scores: ArrayLike<number>, count: number): Uint32Array<ArrayBuffer> {
  const heap = allIds(count);
  for (let node = (count >> 1) - 1; node >= 0; node--) siftDown(scores, heap, node);
  if (count > 0) {
    let least = scores[heap[0]!]!;
    for (let id = count; id < scores.length; id++) {
      // Ids rise, so an equal score ranks after what is kept.
      if (!(scores[id]! > least)) continue;
      heap[0] = id;
      siftDown(scores, heap, 0);
      least = scores[heap[0]!]!;
    }
  }
  return heap.sort((a, b) => (ranksBefore(scores, a, b) ? -1 : 1));
}

function allIds(count: number): Uint32Array<ArrayBuffer> {
  const ids = new Uint32Array(count);
  for (let id = 0; id < count; id++) ids[id] = id;
  return ids;
}

function siftDown(scores: ArrayLike<number>, heap: Uint32Array, start: number): void {
  const moving = heap[start]!;
  let node = start;
  for (;;) {
    let child = 2 * node + 1;
    if (child >= heap.length) break;
    if (child + 1 < heap.length && ranksBefore(scores, heap[child]!, heap[child + 1]!)) child++;
    if (!ranksBefore(scores, moving, heap[child]!)) break;
    heap[node] = heap[child]!;
    node = child;
  }
  heap[node] = moving;
}

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/**
 * All ids in order: a radix sort by the scores rounded to float32, then insertion for what the rounding hid.
 * Logits are float32 and only penalized ones are not, so that hardly anything is left to insert.
 */
function sortedIds(scores: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const { length } = scores;
  let keys = sortKeys(scores);
  let ids = allIds(length);
  let nextKeys = new Uint32Array(length);
  let nextIds = new Uint32Array(length);
  const starts = new Uint32Array(DIGITS);
  for (let shift = 0; shift < 32; shift += DIGIT_BITS) {
    starts.fill(0);
    for (let i = 0; i < length; i++) starts[(keys[i]! >>> shift) & (DIGITS - 1)]!++;
    let sum = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count = starts[digit]!;
      starts[digit] = sum;
      sum += count;
    }
    for (let i = 0; i < length; i++) {
      const key = keys[i]!;
      const place = starts[(key >>> shift) & (DIGITS - 1)]!++;
      nextKeys[place] = key;
      nextIds[place] = ids[i]!;
    }
    [keys, nextKeys] = [nextKeys, keys];
    [ids, nextIds] = [nextIds, ids];
  }
  for (let i = 1; i < length; i++) {
    const id = ids[i]!;
    let place = i;
    while (place > 0 && ranksBefore(scores, id, ids[place - 1]!)) {
      ids[place] = ids[place - 1]!;
      place--;
    }
    ids[place] = id;
  }
  return ids;
}

/** Integers that rise as the scores, rounded to float32, fall. */
function sortKeys(scores: ArrayLike<number>): Uint32Array<ArrayBuffer> {
  const rounded = new Float32Array(scores.length);
  // Adding 0 turns -0 into 0, which it equals.
  for (let id = 0; id < scores.length; id++) rounded[id] = scores[id]! + 0;
  const keys = new Uint32Array(rounded.buffer);
  // Of positive numbers all bits but the sign are turned over, of negative ones none: the bits fall as they rise.
  for (let id = 0; id < keys.length; id++) {
    const bits = keys[id]!;
    keys[id] = bits & 0x80000000 ? bits : ~bits & 0x7fffffff;
  }
  return keys;
}
