import { scoreAt, twoScores } from "./access";

/**
 * Weights are exp((score - highest) / temperature), computed two at a time by the operations of ../exp.ts in the same
 * order, so that the bits are the same; sums add one weight after the other.
 */

/** Ids that go through a sum before it is noted; BLOCK of placed-scores.ts. */
export const BLOCK: i32 = 128;
const STEPS: i32 = 256;
const STEP_HIGH: f64 = 0.6931471803691238 / 256;
const STEP_LOW: f64 = 1.9082149292705877e-10 / 256;
const PER_STEP: f64 = 256 * 1.4426950408889634;
const LEAST: f64 = -708;
/** 2^52: a whole number added to it stands in its low bits. */
const INTEGER: f64 = 4503599627370496;
/** 2^(-j/256), written by placed-scores.ts. */
const roots = memory.data(STEPS * 8, 16);

export function rootsPointer(): usize {
  return roots;
}

/**
 * Numbers of the series, each twice. Read from memory before a loop they stay in registers; as constants in the code
 * they would be made anew for every two weights.
 */
export const numbers = memory.data<f64>(
  [
    LEAST, LEAST, PER_STEP, PER_STEP, STEP_HIGH, STEP_HIGH, STEP_LOW, STEP_LOW, 1.0 / 24, 1.0 / 24, 1.0 / 6, 1.0 / 6,
    0.5, 0.5, 1, 1, INTEGER, INTEGER,
  ],
  16,
);

/** Two weights. */
@inline
export function twoWeights(scores: v128, highest: v128, temperature: v128): v128 {
  const half = v128.load(numbers, 96);
  const x = f64x2.div(f64x2.sub(scores, highest), temperature);
  const weighs = f64x2.gt(x, v128.load(numbers));
  const steps = f64x2.floor(f64x2.sub(half, f64x2.mul(x, v128.load(numbers, 16))));
  // The steps as an integer, in the low bits.
  const bits = f64x2.add(steps, v128.load(numbers, 128));
  const r = f64x2.add(
    f64x2.add(x, f64x2.mul(steps, v128.load(numbers, 32))),
    f64x2.mul(steps, v128.load(numbers, 48)),
  );
  let series = f64x2.add(f64x2.mul(r, v128.load(numbers, 64)), v128.load(numbers, 80));
  series = f64x2.add(f64x2.mul(r, series), half);
  series = f64x2.add(f64x2.mul(r, series), v128.load(numbers, 112));
  series = f64x2.mul(r, series);
  const first = (<usize>i64x2.extract_lane(bits, 0) & (STEPS - 1)) << 3;
  const second = (<usize>i64x2.extract_lane(bits, 1) & (STEPS - 1)) << 3;
  const root = v128.load64_lane(roots + second, v128.load64_zero(roots + first), 1);
  // 2^-(steps / 256) by its exponent.
  const power = i64x2.sub(v128.load(numbers, 112), i64x2.shl(i64x2.shr_u(bits, 8), 52));
  const weight = f64x2.mul(f64x2.add(root, f64x2.mul(root, series)), power);
  return v128.and(weight, weighs);
}

/** The weights added by ascending id to `start`. */
function addWeights(
  start: f64,
  scores: usize,
  wide: bool,
  from: i32,
  to: i32,
  highest: v128,
  temperature: v128,
): f64 {
  let sum = start;
  let id = from;
  for (; id + 1 < to; id += 2) {
    const two = twoWeights(twoScores(scores, wide, id), highest, temperature);
    sum += f64x2.extract_lane(two, 0);
    sum += f64x2.extract_lane(two, 1);
  }
  if (id < to) {
    const one = twoWeights(f64x2.splat(scoreAt(scores, wide, id)), highest, temperature);
    sum += f64x2.extract_lane(one, 0);
  }
  return sum;
}

/** Sums weights by ascending id and notes the sum through every block of ids in `sums`. Returns the whole. */
export function sumBlocks(
  scores: usize,
  wide: bool,
  length: i32,
  highest: f64,
  temperature: f64,
  sums: usize,
): f64 {
  const h = f64x2.splat(highest);
  const t = f64x2.splat(temperature);
  let sum: f64 = 0;
  let at = sums;
  for (let id = 0; id < length; id += BLOCK) {
    sum = wide
      ? addWeights(sum, scores, true, id, min(id + BLOCK, length), h, t)
      : addWeights(sum, scores, false, id, min(id + BLOCK, length), h, t);
    store<f64>(at, sum);
    at += 8;
  }
  return sum;
}

/** `start` and the weights of ids from `from` to before `to`. */
export function addRange(
  start: f64,
  scores: usize,
  wide: bool,
  from: i32,
  to: i32,
  highest: f64,
  temperature: f64,
): f64 {
  return addWeights(start, scores, wide, from, to, f64x2.splat(highest), f64x2.splat(temperature));
}
