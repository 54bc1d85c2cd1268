import { scoreAt } from "./access";

/** The id of the highest score, the lowest among equals; -1 where one is NaN or Infinity, or all are -Infinity. */
export function bestNarrow(scores: usize, length: i32): i32 {
  let a = f32x4.splat(-Infinity);
  let b = a;
  let usable = i32x4.splat(-1);
  let id = 0;
  for (; id + 15 < length; id += 16) {
    const at = scores + ((<usize>id) << 2);
    const first = v128.load(at);
    const second = v128.load(at, 16);
    const third = v128.load(at, 32);
    const fourth = v128.load(at, 48);
    // Nothing is less than NaN, nor is NaN less than anything: pmax keeps what it has.
    a = f32x4.pmax(f32x4.pmax(a, first), second);
    b = f32x4.pmax(f32x4.pmax(b, third), fourth);
    // A sum is NaN where a part is, and else only of Infinity and -Infinity.
    const x = f32x4.add(first, second);
    const y = f32x4.add(third, fourth);
    usable = v128.and(usable, v128.and(f32x4.eq(x, x), f32x4.eq(y, y)));
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
  for (id = 0; id + 15 < length; id += 16) {
    const at = scores + ((<usize>id) << 2);
    const x = v128.or(f32x4.eq(v128.load(at), wanted), f32x4.eq(v128.load(at, 16), wanted));
    const y = v128.or(f32x4.eq(v128.load(at, 32), wanted), f32x4.eq(v128.load(at, 48), wanted));
    if (v128.any_true(v128.or(x, y))) break;
  }
  while (load<f32>(scores + ((<usize>id) << 2)) != highest) id++;
  return id;
}

/** The same of float64. */
export function bestWide(scores: usize, length: i32): i32 {
  let highest = -Infinity;
  for (let id = 0; id < length; id++) highest = max(highest, load<f64>(scores + ((<usize>id) << 3)));
  if (!(highest < Infinity && highest > -Infinity)) return -1;
  let id = 0;
  while (load<f64>(scores + ((<usize>id) << 3)) != highest) id++;
  return id;
}

/** The lowest score that is finite; Infinity where there is none. */
export function lowest<T>(scores: usize, length: i32): f64 {
  let result: f64 = Infinity;
  let id = 0;
  if (sizeof<T>() == 4) {
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
    const score = scoreAt<T>(scores, id);
    if (score > -Infinity && score < result) result = score;
  }
  return result;
}
