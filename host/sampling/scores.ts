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

/** The highest score from id `start` to before `end`; NaN where one is NaN or Infinity. */
export function highestOf(scores: Scores, start: number, end: number): number {
  // Four at a time, without branches: half the time of comparing one by one. Math.max passes NaN on.
  let a = Number.NEGATIVE_INFINITY;
  let b = a;
  let c = a;
  let d = a;
  let id = start;
  for (; id + 3 < end; id += 4) {
    a = Math.max(a, scores[id]!);
    b = Math.max(b, scores[id + 1]!);
    c = Math.max(c, scores[id + 2]!);
    d = Math.max(d, scores[id + 3]!);
  }
  for (; id < end; id++) a = Math.max(a, scores[id]!);
  const highest = Math.max(a, b, c, d);
  return highest === Number.POSITIVE_INFINITY ? Number.NaN : highest;
}

/** The lowest score that is finite; Infinity where there is none. */
export function lowestOf(scores: Scores, start: number, end: number): number {
  let lowest = Number.POSITIVE_INFINITY;
  for (let id = start; id < end; id++) {
    const score = scores[id]!;
    if (score < lowest && score > Number.NEGATIVE_INFINITY) lowest = score;
  }
  return lowest;
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
