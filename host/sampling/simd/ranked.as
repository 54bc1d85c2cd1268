import { idAt, scoreAt } from "./access";
import { BLOCK, weigh, weights } from "./weights";

/** A block's scores in order of rank. */
const ranked = memory.data(BLOCK * 8, 16);

/** Writes the weights of `count` ids, which stand in `ids` from `start` on, to `weights`; at most a block. */
export function weighRanked<T>(
  scores: usize,
  ids: usize,
  start: i32,
  count: i32,
  highest: f64,
  temperature: f64,
): void {
  for (let i = 0; i < count; i++) store<f64>(ranked + (<usize>i << 3), scoreAt<T>(scores, idAt(ids, start + i)));
  weigh<f64>(ranked, 0, count, highest, temperature);
}

/** The sum of all weights of ids in order of rank. */
function sumOf<T>(scores: usize, ids: usize, count: i32, highest: f64, temperature: f64): f64 {
  let sum: f64 = 0;
  for (let start = 0; start < count; start += BLOCK) {
    const part = min(BLOCK, count - start);
    weighRanked<T>(scores, ids, start, part, highest, temperature);
    for (let i = 0; i < part; i++) sum += load<f64>(weights + (<usize>i << 3));
  }
  return sum;
}

/** The sum of the first weights of at least `least`, through the first one at which it is `enough` or more. */
function sumUntil<T>(
  scores: usize,
  ids: usize,
  count: i32,
  highest: f64,
  temperature: f64,
  least: f64,
  enough: f64,
): f64 {
  let sum: f64 = 0;
  for (let start = 0; start < count; start += BLOCK) {
    const part = min(BLOCK, count - start);
    weighRanked<T>(scores, ids, start, part, highest, temperature);
    for (let i = 0; i < part; i++) {
      const weight = load<f64>(weights + (<usize>i << 3));
      if (weight < least) return sum;
      sum += weight;
      if (sum >= enough) return sum;
    }
  }
  return sum;
}

/**
 * The id that `part` of the weights falls into that top-p `share` and then min-p `least` leave of ids in order of rank: the
 * first one through which the sum is over that, or the last one of weight over 0. The best weight is 1, so that min-p
 * compares weights as they are.
 */
export function drawFirst<T>(
  scores: usize,
  count: i32,
  highest: f64,
  temperature: f64,
  share: f64,
  least: f64,
  part: f64,
  ids: usize,
): i32 {
  const enough = share < 1 ? share * sumOf<T>(scores, ids, count, highest, temperature) : Infinity;
  const mass = part * sumUntil<T>(scores, ids, count, highest, temperature, least, enough);
  let sum: f64 = 0;
  let last = 0;
  for (let start = 0; start < count; start += BLOCK) {
    const some = min(BLOCK, count - start);
    weighRanked<T>(scores, ids, start, some, highest, temperature);
    for (let i = 0; i < some; i++) {
      const weight = load<f64>(weights + (<usize>i << 3));
      if (weight == 0) return idAt(ids, last);
      last = start + i;
      sum += weight;
      if (sum > mass) return idAt(ids, last);
    }
  }
  return idAt(ids, last);
}
