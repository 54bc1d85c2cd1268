import { setId, twoScores } from "./access";
import { BLOCK, numbers, weigh, weights } from "./weights";

/** Bucket of what has no weight; its mass stays 0. */
const NOWHERE: i32 = 1024;

/** The buckets of two scores, in the low halves. */
@inline
function twoBuckets(scores: v128, weight: v128, top: v128, perScore: v128, integer: v128): v128 {
  const bits = f64x2.add(f64x2.floor(f64x2.mul(f64x2.sub(top, scores), perScore)), integer);
  return v128.bitselect(bits, i64x2.splat(NOWHERE), f64x2.gt(weight, f64x2.splat(0)));
}

/** Writes the buckets of `count` ids from `from` on, whose weights are in `weights`; of a multiple of four ids. */
function place<T>(
  scores: usize,
  from: i32,
  count: i32,
  top: v128,
  perScore: v128,
  buckets: usize,
): void {
  const integer = v128.load(numbers, 128);
  for (let i = 0; i < count; i += 4) {
    const id = from + i;
    const at = weights + ((<usize>i) << 3);
    const a = twoBuckets(twoScores<T>(scores, id), v128.load(at), top, perScore, integer);
    const b = twoBuckets(twoScores<T>(scores, id + 2), v128.load(at, 16), top, perScore, integer);
    const four = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
    v128.store64_lane(buckets + ((<usize>id) << 1), i16x8.narrow_i32x4_u(four, four), 0);
  }
}

/**
 * Puts ids into buckets of (top - score) * perScore and adds their weights to the buckets' masses. Returns the sum of
 * weights of at least `least`, by blocks.
 */
export function deal<T>(
  scores: usize,
  length: i32,
  highest: f64,
  temperature: f64,
  top: f64,
  perScore: f64,
  least: f64,
  buckets: usize,
  masses: usize,
): f64 {
  const tops = f64x2.splat(top);
  const perScores = f64x2.splat(perScore);
  let likely: f64 = 0;
  for (let start = 0; start < length; start += BLOCK) {
    const count = min(BLOCK, length - start);
    weigh<T>(scores, start, count, highest, temperature);
    place<T>(scores, start, count, tops, perScores, buckets);
    let part: f64 = 0;
    let bucket = buckets + ((<usize>start) << 1);
    const end = weights + ((<usize>count) << 3);
    for (let at = weights; at < end; at += 8, bucket += 2) {
      const weight = load<f64>(at);
      const mass = masses + ((<usize>load<u16>(bucket)) << 3);
      store<f64>(mass, load<f64>(mass) + weight);
      if (weight >= least) part += weight;
    }
    likely += part;
  }
  return likely;
}

/** Writes the ids whose bucket is `bucket` to `ids`, ascending. Returns how many they are. */
export function idsIn(buckets: usize, length: i32, bucket: i32, ids: usize): i32 {
  const wanted = i16x8.splat(<i16>bucket);
  let count = 0;
  let id = 0;
  while (id < length) {
    if (id + 15 < length) {
      const at = buckets + ((<usize>id) << 1);
      const found = v128.or(i16x8.eq(v128.load(at), wanted), i16x8.eq(v128.load(at, 16), wanted));
      if (!v128.any_true(found)) {
        id += 16;
        continue;
      }
    }
    const end = min(length, id + 16);
    for (; id < end; id++) {
      if (load<u16>(buckets + ((<usize>id) << 1)) == <u16>bucket) setId(ids, count++, id);
    }
  }
  return count;
}
