/** How scores, T of f32 or f64, and ids are read and written. */

@inline
export function scoreAt<T>(scores: usize, id: i32): f64 {
  return sizeof<T>() == 8
    ? load<f64>(scores + ((<usize>id) << 3))
    : <f64>load<f32>(scores + ((<usize>id) << 2));
}

/** Two scores as doubles. */
@inline
export function twoScores<T>(scores: usize, id: i32): v128 {
  return sizeof<T>() == 8
    ? v128.load(scores + ((<usize>id) << 3))
    : f64x2.promote_low_f32x4(v128.load64_zero(scores + ((<usize>id) << 2)));
}

@inline
export function idAt(ids: usize, place: i32): i32 {
  return load<i32>(ids + ((<usize>place) << 2));
}

@inline
export function setId(ids: usize, place: i32, id: i32): void {
  store<i32>(ids + ((<usize>place) << 2), id);
}
