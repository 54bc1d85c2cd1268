/**
 * The order of token ids: higher score first, and the lower id first among equal scores. It is total, so that a result
 * does not depend on the method.
 */
export function ranksBefore(scores: ArrayLike<number>, a: number, b: number): boolean {
  const x = scores[a]!;
  const y = scores[b]!;
  return x > y || (x === y && a < b);
}

/** 0 .. count - 1. */
export function allIds(count: number): Uint32Array<ArrayBuffer> {
  const ids = new Uint32Array(count);
  for (let id = 0; id < count; id++) ids[id] = id;
  return ids;
}

const DIGIT_BITS = 11;
const DIGITS = 1 << DIGIT_BITS;

/**
 * All ids in order, without a comparison function: a radix sort by the scores rounded to float32, then insertion for what the rounding hid.
 * Logits are float32 and only penalized ones are not, so that hardly anything is left to insert.
 */
export function sortedIds(scores: ArrayLike<number>): Uint32Array<ArrayBuffer> {
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
