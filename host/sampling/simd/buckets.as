import { scoreAt, setId, twoScores } from "./access";
import { BLOCK, numbers, twoWeights } from "./weights";

/** Rank of what has no weight. */
const NOWHERE: u16 = 1024;

@inline
function dealOne(id: i32, bucket: i32, weight: f64, buckets: usize, masses: usize): void {
  if (weight == 0) {
    store<u16>(buckets + ((<usize>id) << 1), NOWHERE);
    return;
  }
  store<u16>(buckets + ((<usize>id) << 1), <u16>bucket);
  const mass = masses + ((<usize>bucket) << 3);
  store<f64>(mass, load<f64>(mass) + weight);
}

/**
 * Puts ids into buckets of (top - score) * perScore and adds their weights to the buckets' masses. Returns the sum of
 * weights of at least `least`, by blocks.
 */
export function deal(
  scores: usize,
  wide: bool,
  length: i32,
  highest: f64,
  temperature: f64,
  top: f64,
  perScore: f64,
  least: f64,
  buckets: usize,
  masses: usize,
): f64 {
  const h = f64x2.splat(highest);
  const t = f64x2.splat(temperature);
  const tops = f64x2.splat(top);
  const perScores = f64x2.splat(perScore);
  const integer = v128.load(numbers, 128);
  let likely: f64 = 0;
  for (let start = 0; start < length; start += BLOCK) {
    let part: f64 = 0;
    const end = min(start + BLOCK, length);
    let id = start;
    for (; id + 1 < end; id += 2) {
      const two = twoScores(scores, wide, id);
      const weights = twoWeights(two, h, t);
      const a = f64x2.extract_lane(weights, 0);
      const b = f64x2.extract_lane(weights, 1);
      const bits = f64x2.add(f64x2.floor(f64x2.mul(f64x2.sub(tops, two), perScores)), integer);
      dealOne(id, <i32>i64x2.extract_lane(bits, 0), a, buckets, masses);
      dealOne(id + 1, <i32>i64x2.extract_lane(bits, 1), b, buckets, masses);
      if (a >= least) part += a;
      if (b >= least) part += b;
    }
    if (id < end) {
      const score = scoreAt(scores, wide, id);
      const weight = f64x2.extract_lane(twoWeights(f64x2.splat(score), h, t), 0);
      const bucket = weight == 0 ? 0 : <i32>((top - score) * perScore);
      dealOne(id, bucket, weight, buckets, masses);
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
    if (id + 7 < length && !v128.any_true(i16x8.eq(v128.load(buckets + ((<usize>id) << 1)), wanted))) {
      id += 8;
      continue;
    }
    const end = min(length, id + 8);
    for (; id < end; id++) {
      if (load<u16>(buckets + ((<usize>id) << 1)) == <u16>bucket) setId(ids, count++, id);
    }
  }
  return count;
}
