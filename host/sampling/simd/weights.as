import { twoScores } from "./access";

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

/**
 * What lies between the steps of a block's weights: scores over the temperature, steps as integers in doubles' low bits,
 * series, weights. A loop a step: from a score to its weight are 80 cycles, of which a core can have four under way
 * when it does everything at once.
 */
const exponents = memory.data(BLOCK * 8, 16);
const steps = memory.data(BLOCK * 8, 16);
const series = memory.data(BLOCK * 8, 16);
export const weights = memory.data(BLOCK * 8, 16);

/** The series and steps of `count` ids from `from` on, at most a block; one more where `count` is odd. */
function begin<T>(scores: usize, from: i32, count: i32, highest: v128, temperature: v128): void {
  const half = v128.load(numbers, 96);
  const perStep = v128.load(numbers, 16);
  const integer = v128.load(numbers, 128);
  const bytes = <usize>count << 3;
  for (let at: usize = 0; at < bytes; at += 16) {
    const x = f64x2.div(f64x2.sub(twoScores<T>(scores, from + <i32>(at >> 3)), highest), temperature);
    v128.store(exponents + at, x);
    // The steps as an integer, in the low bits.
    const bits = f64x2.add(f64x2.floor(f64x2.sub(half, f64x2.mul(x, perStep))), integer);
    v128.store(steps + at, bits);
  }
  const high = v128.load(numbers, 32);
  const low = v128.load(numbers, 48);
  const fourth = v128.load(numbers, 64);
  const third = v128.load(numbers, 80);
  const one = v128.load(numbers, 112);
  for (let at: usize = 0; at < bytes; at += 16) {
    const whole = f64x2.sub(v128.load(steps + at), integer);
    const r = f64x2.add(f64x2.add(v128.load(exponents + at), f64x2.mul(whole, high)), f64x2.mul(whole, low));
    let sum = f64x2.add(f64x2.mul(r, fourth), third);
    sum = f64x2.add(f64x2.mul(r, sum), half);
    sum = f64x2.add(f64x2.mul(r, sum), one);
    v128.store(series + at, f64x2.mul(r, sum));
  }
}

/** Two weights by what `begin` left for them. */
@inline
function twoWeights(at: usize, least: v128, one: v128): v128 {
  const first = <usize>load<u8>(steps + at) << 3;
  const second = <usize>load<u8>(steps + at, 8) << 3;
  const root = v128.load64_lane(roots + second, v128.load64_zero(roots + first), 1);
  // 2^-(steps / 256) by its exponent.
  const power = i64x2.sub(one, i64x2.shl(i64x2.shr_u(v128.load(steps + at), 8), 52));
  const weight = f64x2.mul(f64x2.add(root, f64x2.mul(root, v128.load(series + at))), power);
  return v128.and(weight, f64x2.gt(v128.load(exponents + at), least));
}

/** Writes the weights of `count` ids from `from` on to `weights`, at most a block; one more where `count` is odd. */
export function weigh<T>(
  scores: usize,
  from: i32,
  count: i32,
  highest: f64,
  temperature: f64,
): void {
  begin<T>(scores, from, count, f64x2.splat(highest), f64x2.splat(temperature));
  const least = v128.load(numbers);
  const one = v128.load(numbers, 112);
  const bytes = <usize>count << 3;
  for (let at: usize = 0; at < bytes; at += 16) v128.store(weights + at, twoWeights(at, least, one));
}

/** The weights of at most a block added by ascending id to `start`. */
function addWeights<T>(
  start: f64,
  scores: usize,
  from: i32,
  count: i32,
  highest: v128,
  temperature: v128,
): f64 {
  begin<T>(scores, from, count, highest, temperature);
  const least = v128.load(numbers);
  const one = v128.load(numbers, 112);
  const bytes = <usize>count << 3;
  let sum = start;
  let at: usize = 0;
  for (; at + 8 < bytes; at += 16) {
    const two = twoWeights(at, least, one);
    sum += f64x2.extract_lane(two, 0);
    sum += f64x2.extract_lane(two, 1);
  }
  if (at < bytes) sum += f64x2.extract_lane(twoWeights(at, least, one), 0);
  return sum;
}

/** Sums weights by ascending id and notes the sum through every block of ids in `sums`. Returns the whole. */
export function sumBlocks<T>(
  scores: usize,
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
    const count = min(BLOCK, length - id);
    sum = addWeights<T>(sum, scores, id, count, h, t);
    store<f64>(at, sum);
    at += 8;
  }
  return sum;
}

/** `start` and the weights of ids from `from` to before `to`. */
export function addRange<T>(
  start: f64,
  scores: usize,
  from: i32,
  to: i32,
  highest: f64,
  temperature: f64,
): f64 {
  const h = f64x2.splat(highest);
  const t = f64x2.splat(temperature);
  let sum = start;
  for (let id = from; id < to; id += BLOCK) {
    sum = addWeights<T>(sum, scores, id, min(BLOCK, to - id), h, t);
  }
  return sum;
}
