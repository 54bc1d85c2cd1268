import { scoreAt } from "./access";

/** The id of the highest score, the lowest among equals; -1 where one is NaN or Infinity, or all are -Infinity. */
export function best(scores: usize, wide: bool, length: i32): i32 {
  return wide ? bestWide(scores, length) : bestNarrow(scores, length);
}

function bestNarrow(scores: usize, length: i32): i32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let usable = i32x4.splat(-1);
  const infinity = f32x4.splat(Infinity);
  let id = 0;
  for (; id + 7 < length; id += 8) {
    const at = scores + ((<usize>id) << 2);
    const x = v128.load(at);
    const y = v128.load(at, 16);
    // Nothing is less than NaN, nor is NaN less than anything: pmax keeps what it has.
    a = f32x4.pmax(a, x);
    b = f32x4.pmax(b, y);
    usable = v128.and(usable, v128.and(f32x4.lt(x, infinity), f32x4.lt(y, infinity)));
  }
  if (!i32x4.all_true(usable)) return -1;
  a = f32x4.pmax(a, b);
  let highest = max(
    max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1)),
    max(f32x4.extract_lane(a, 2), f32x4.extract_lane(a, 3)),
  );
  for (; id < length; id++) highest = max(highest, load<f32>(scores + ((<usize>id) << 2)));
  if (!(highest < Infinity && highest > -Infinity)) return -1;
  const wanted = f32x4.splat(highest);
  for (id = 0; id + 3 < length; id += 4) {
    if (v128.any_true(f32x4.eq(v128.load(scores + ((<usize>id) << 2)), wanted))) break;
  }
  while (load<f32>(scores + ((<usize>id) << 2)) != highest) id++;
  return id;
}

function bestWide(scores: usize, length: i32): i32 {
  let highest = -Infinity;
  for (let id = 0; id < length; id++) highest = max(highest, load<f64>(scores + ((<usize>id) << 3)));
  if (!(highest < Infinity && highest > -Infinity)) return -1;
  let id = 0;
  while (load<f64>(scores + ((<usize>id) << 3)) != highest) id++;
  return id;
}

/** The lowest score that is finite; Infinity where there is none. */
export function lowest(scores: usize, wide: bool, length: i32): f64 {
  let result: f64 = Infinity;
  let id = 0;
  if (!wide) {
    const infinity = f32x4.splat(Infinity);
    const excluded = f32x4.splat(-Infinity);
    let all = infinity;
    let others = infinity;
    for (; id + 7 < length; id += 8) {
      const at = scores + ((<usize>id) << 2);
      const x = v128.load(at);
      const y = v128.load(at, 16);
      all = f32x4.pmin(all, v128.bitselect(x, infinity, f32x4.gt(x, excluded)));
      others = f32x4.pmin(others, v128.bitselect(y, infinity, f32x4.gt(y, excluded)));
    }
    all = f32x4.pmin(all, others);
    const a = min(f32x4.extract_lane(all, 0), f32x4.extract_lane(all, 1));
    const b = min(f32x4.extract_lane(all, 2), f32x4.extract_lane(all, 3));
    result = <f64>min(a, b);
  }
  for (; id < length; id++) {
    const score = scoreAt(scores, wide, id);
    if (score > -Infinity && score < result) result = score;
  }
  return result;
}
