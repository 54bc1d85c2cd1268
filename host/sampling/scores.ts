import { expNonPositive } from "./exp.ts";

/** One number per token. */
export type Scores = Float32Array | Float64Array;

/** What makes a score a weight: exp((score - highest) / temperature). */
export interface Weighting {
  /** At least every score. */
  readonly highest: number;
  readonly temperature: number;
}

/**
 * Ids that one call of the functions below goes through. A vocabulary is many calls, because V8 compiles a function that
 * is called often once and for all, and one with a single long loop again and again while it runs.
 */
export const BLOCK = 128;

/** Calls with every block of so many ids, and its number. */
export function forEachBlock(ids: number, call: (start: number, end: number, block: number) => void): void {
  for (let block = 0, start = 0; start < ids; block++, start += BLOCK) {
    call(start, Math.min(start + BLOCK, ids), block);
  }
}

/** The highest score, and the lowest that is finite. */
export interface ScoreRange {
  highest: number;
  lowest: number;
}

/** Widens a range by the scores from id `start` to before `end`. */
export function widenRange(range: ScoreRange, scores: Scores, start: number, end: number): void {
  let { highest, lowest } = range;
  for (let id = start; id < end; id++) {
    const score = scores[id]!;
    if (score <= highest && score >= lowest) continue;
    if (score > highest) highest = score;
    if (score < lowest && score > Number.NEGATIVE_INFINITY) lowest = score;
  }
  range.highest = highest;
  range.lowest = lowest;
}

/** `sum` and the weights from id `start` to before `end`, added by ascending id. */
export function addWeights(
  sum: number,
  scores: Scores,
  start: number,
  end: number,
  { highest, temperature }: Weighting,
): number {
  let all = sum;
  for (let id = start; id < end; id++) all += expNonPositive((scores[id]! - highest) / temperature);
  return all;
}
