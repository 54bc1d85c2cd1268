import { idAt, scoreAt, setId } from "./access";

/** Whether score a ranks before score b: the higher one, the lower id among equals. */
@inline
function ranksBefore<T>(scores: usize, a: i32, b: i32): bool {
  const x = scoreAt<T>(scores, a);
  const y = scoreAt<T>(scores, b);
  return x > y || (x == y && a < b);
}

/** Moves the id at `start` of a heap with the worst at its root down to its place. */
function siftDown<T>(scores: usize, ids: usize, start: i32, end: i32): void {
  const moving = idAt(ids, start);
  let node = start;
  for (;;) {
    let child = 2 * node + 1;
    if (child >= end) break;
    if (child + 1 < end && ranksBefore<T>(scores, idAt(ids, child), idAt(ids, child + 1))) child++;
    if (!ranksBefore<T>(scores, moving, idAt(ids, child))) break;
    setId(ids, node, idAt(ids, child));
    node = child;
  }
  setId(ids, node, moving);
}

/** Makes a heap with the worst at its root of `count` ids. */
function heapify<T>(scores: usize, ids: usize, count: i32): void {
  for (let node = (count >> 1) - 1; node >= 0; node--) siftDown<T>(scores, ids, node, count);
}

/** Puts a heap with the worst at its root in order. */
function unheap<T>(scores: usize, ids: usize, count: i32): void {
  for (let end = count - 1; end > 0; end--) {
    const worst = idAt(ids, 0);
    setId(ids, 0, idAt(ids, end));
    setId(ids, end, worst);
    siftDown<T>(scores, ids, 0, end);
  }
}

/** Puts `count` ids in order. */
export function sort<T>(scores: usize, ids: usize, count: i32): void {
  heapify<T>(scores, ids, count);
  unheap<T>(scores, ids, count);
}

/** Ids that are looked at beforehand, for each that is kept: the worst of the best of them is a bar for all. */
const PROBES: i32 = 8;

/** A score that `count` others or more reach. */
function firstBar<T>(scores: usize, length: i32, count: i32, ids: usize): f64 {
  const step = length / (PROBES * count);
  if (step < 2) return -Infinity;
  let id = 0;
  for (let held = 0; held < count; held++, id += step) setId(ids, held, id);
  heapify<T>(scores, ids, count);
  for (; id < length; id += step) {
    if (!ranksBefore<T>(scores, id, idAt(ids, 0))) continue;
    setId(ids, 0, id);
    siftDown<T>(scores, ids, 0, count);
  }
  return scoreAt<T>(scores, idAt(ids, 0));
}

/** Writes the best `count` ids in order to `ids`; 1 to length of them. No score is NaN or Infinity. */
export function select<T>(scores: usize, length: i32, count: i32, ids: usize): void {
  let bar = firstBar<T>(scores, length, count, ids);
  let held = 0;
  let id = 0;
  while (id < length) {
    if (sizeof<T>() == 4 && id + 7 < length) {
      const at = scores + ((<usize>id) << 2);
      const bars = f32x4.splat(<f32>bar);
      const over = v128.or(f32x4.ge(v128.load(at), bars), f32x4.ge(v128.load(at, 16), bars));
      if (!v128.any_true(over)) {
        id += 8;
        continue;
      }
    }
    const end = min(length, id + 8);
    for (; id < end; id++) {
      const score = scoreAt<T>(scores, id);
      if (held < count) {
        if (score < bar) continue;
        setId(ids, held++, id);
        if (held < count) continue;
        heapify<T>(scores, ids, count);
      } else {
        // Ids rise, so an equal score ranks after what is kept.
        if (score <= bar) continue;
        setId(ids, 0, id);
        siftDown<T>(scores, ids, 0, count);
      }
      bar = scoreAt<T>(scores, idAt(ids, 0));
    }
  }
  unheap<T>(scores, ids, count);
}
