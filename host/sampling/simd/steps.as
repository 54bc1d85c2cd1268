import { twoScores } from "./access";
import { BLOCK } from "./weights";

/**
 * Weights for sums of lower precision: 2^(-step / 64) times a factor of what is left, 1 to 2^(-1/64), in whole numbers of
 * 2^-29, whose sums are exact in any order. Against exp((score - highest) / temperature) a weight is wrong by at most, of
 * its value: 5.3e-9 by rounding to places of 2^-20 of a step, 0.6e-9 by the series' end, 2.7e-9 by the series in float32,
 * 0.9e-9 by rounding to a whole number. A step holds scores next to each other, and equal ones.
 */

/** The last step has all that weigh less than 2^-31.98. */
export const STEPS: i32 = 2048;
const FRACTION_BITS: i32 = 20;
/** Places of a step. */
export const FRACTION: f64 = 1048576;
/** Places of a nat: a step is a 64th of an octave. */
export const PER_NAT: f64 = 64 * FRACTION * 1.4426950408889634;
const LAST_PLACE: f64 = 2047 * FRACTION;
/** 2^52: a whole number added to it stands in its low bits. */
const INTEGER: f64 = 4503599627370496;
/** 2^23, the same for float32. */
const SINGLE_INTEGER: f32 = 8388608;
/** Of a factor: 2^29. */
export const UNITS: i32 = 536870912;
/** The series of what a factor is less than 1, in units, by places. */
const PER_PLACE: f64 = 0.6931471805599453 / (64 * FRACTION);
const FIRST: f32 = <f32>(UNITS * PER_PLACE);
const SECOND: f32 = <f32>((-UNITS / 2) * PER_PLACE * PER_PLACE);
const THIRD: f32 = <f32>((UNITS / 6.0) * PER_PLACE * PER_PLACE * PER_PLACE);
const MASK: i32 = (1 << FRACTION_BITS) - 1;
/** 1 in units and the bits of SINGLE_INTEGER. */
const WHOLE: i32 = UNITS + 0x4b000000;

/** Numbers of the loop in `weighSteps`: read from memory before it they stay in registers. */
const doubles = memory.data<f64>([LAST_PLACE, LAST_PLACE, INTEGER, INTEGER], 16);
const singles = memory.data<f32>(
  [
    FIRST, FIRST, FIRST, FIRST, SECOND, SECOND, SECOND, SECOND, THIRD, THIRD, THIRD, THIRD, SINGLE_INTEGER,
    SINGLE_INTEGER, SINGLE_INTEGER, SINGLE_INTEGER,
  ],
  16,
);
const wholes = memory.data<i32>([MASK, MASK, MASK, MASK, WHOLE, WHOLE, WHOLE, WHOLE, -8, -8, -8, -8], 16);

/** 2^(-step / 64 - 29), written by vectors.ts. */
export const powers = memory.data(STEPS * 8, 16);
/** By step: sums of factors as integers, and in their place what is made of them. */
export const sums = memory.data(STEPS * 8, 16);
/** Of a block's ids. The step is in bytes of those tables. */
const steps = memory.data(BLOCK * 4, 16);
const factors = memory.data(BLOCK * 4, 16);

export function powersPointer(): usize {
  return powers;
}

/** Places of two scores as integers in the low halves. */
@inline
function twoPlaces(scores: v128, highest: v128, perScore: v128, last: v128, integer: v128): v128 {
  return f64x2.add(f64x2.pmin(f64x2.mul(f64x2.sub(highest, scores), perScore), last), integer);
}

/** The step of a score, by the same operations. */
@inline
export function stepOf(score: f64, highest: f64, perScore: f64): i32 {
  const place = min((highest - score) * perScore, LAST_PLACE) + INTEGER;
  return (<i32>reinterpret<i64>(place)) >>> FRACTION_BITS;
}

/**
 * Finds steps and factors of `count` ids from `from` on, at most a block; of a multiple of four ids.
 * @param perScore PER_NAT / temperature
 */
export function weighSteps<T>(scores: usize, from: i32, count: i32, highest: f64, perScore: f64): void {
  const h = f64x2.splat(highest);
  const p = f64x2.splat(perScore);
  const last = v128.load(doubles);
  const integer = v128.load(doubles, 16);
  const first = v128.load(singles);
  const second = v128.load(singles, 16);
  const third = v128.load(singles, 32);
  const single = v128.load(singles, 48);
  const fraction = v128.load(wholes);
  const whole = v128.load(wholes, 16);
  const bytes = v128.load(wholes, 32);
  for (let i = 0; i < count; i += 4) {
    const id = from + i;
    const a = twoPlaces(twoScores<T>(scores, id), h, p, last, integer);
    const b = twoPlaces(twoScores<T>(scores, id + 2), h, p, last, integer);
    const places = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    const at = <usize>i << 2;
    // As bytes into tables of doubles.
    v128.store(at, v128.and(i32x4.shr_u(places, FRACTION_BITS - 3), bytes), steps);
    const rest = f32x4.convert_i32x4_s(v128.and(places, fraction));
    let series = f32x4.add(f32x4.mul(rest, third), second);
    series = f32x4.add(f32x4.mul(rest, series), first);
    v128.store(at, i32x4.sub(whole, f32x4.add(f32x4.mul(rest, series), single)), factors);
  }
}

/** Adds the factors of `count` ids to the sums of their steps. */
export function addToSteps(count: i32): void {
  const end = <usize>count << 2;
  for (let at: usize = 0; at < end; at += 4) {
    const step = <usize>load<u32>(at, steps);
    store<u64>(step, load<u64>(step, sums) + <u64>load<u32>(at, factors), sums);
  }
}

@inline
function weightAt(at: usize): f64 {
  return load<f64>(<usize>load<u32>(at, steps), powers) * <f64>load<i32>(at, factors);
}

/** The sum of `count` ids' weights. */
export function blockSum(count: i32): f64 {
  let a: f64 = 0;
  let b: f64 = 0;
  const end = <usize>count << 2;
  let at: usize = 0;
  for (; at + 12 < end; at += 16) {
    a += weightAt(at) + weightAt(at + 4);
    b += weightAt(at + 8) + weightAt(at + 12);
  }
  for (; at < end; at += 4) a += weightAt(at);
  return a + b;
}
