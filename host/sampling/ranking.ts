import { sortedIds } from "./order.ts";
import type { PlacedScores } from "./simd/placed-scores.ts";

/** Most ids that are selected; where more are asked for, all are sorted. */
const SELECTION = 1024;

/**
 * The best `count` ids in order, higher scores first and lower ids first among equals; all where there are fewer. Valid
 * until other scores are looked at.
 * @param placed without NaN and Infinity
 */
export function firstIds(placed: PlacedScores, count: number): Uint32Array {
  const wanted = Math.min(count, placed.length);
  if (wanted === 0) return new Uint32Array(0);
  return wanted > SELECTION ? sortedIds(placed.scores).subarray(0, wanted) : placed.select(wanted);
}
