import { idAt, scoreAt, setId } from "./access";
import { weighRanked } from "./ranked";
import { sort } from "./selection";
import { addToSteps, blockSum, FRACTION, PER_NAT, powers, STEPS, stepOf, sums, UNITS, weighSteps } from "./steps";
import { BLOCK, weigh, weights } from "./weights";

/**
 * Draws by sums that are known to within a bound. Exact weights of a whole vocabulary take most of a sample's time, and
 * nearly always the random number falls so far inside an id's weight that sums of lower precision name the same id. What
 * they leave open is left to the exact sums.
 */

/** Twice what a weight of steps.as may be wrong by, which covers rounding of doubles, here and in the exact sums. */
const EXACTNESS: f64 = 2e-8;
/** Over any weight of the last step, and so over what it is wrong by. */
const LAST: f64 = 2.5e-10;
/** So many ids of a step are sorted. */
const SORTED: i32 = 2048;

/** What the sum through the place is that `locate` found last. */
let through: f64 = 0;

/** The sum of weights through a step, once they are summed up. */
@inline
function sumThrough(step: i32): f64 {
  return load<f64>(<usize>step << 3, sums);
}

/** What a sum of weights may be wrong by. */
@inline
function errorOf(total: f64, length: i32): f64 {
  return EXACTNESS * total + LAST * <f64>length;
}

/** Writes the ids of a step to `ids`, ascending. Returns how many they are. */
function idsOf<T>(step: i32, scores: usize, length: i32, highest: f64, perScore: f64, ids: usize): i32 {
  const upper = highest - (<f64>step * FRACTION - 1) / perScore;
  const lower = highest - <f64>(step + 1) * FRACTION / perScore;
  // Bounds that rounding cannot make too narrow: whether an id is of the step is asked again.
  const slack = (abs(highest) + abs(lower)) * 2.4e-7 + 1e-37;
  const from = f32x4.splat(<f32>(lower - slack));
  const to = f32x4.splat(<f32>(upper + slack));
  let count = 0;
  let id = 0;
  while (id < length) {
    if (sizeof<T>() == 4 && id + 7 < length) {
      const at = scores + ((<usize>id) << 2);
      const x = v128.load(at);
      const y = v128.load(at, 16);
      const inX = v128.and(f32x4.ge(x, from), f32x4.le(x, to));
      const inY = v128.and(f32x4.ge(y, from), f32x4.le(y, to));
      if (!v128.any_true(v128.or(inX, inY))) {
        id += 8;
        continue;
      }
    }
    const end = min(length, id + 8);
    for (; id < end; id++) {
      if (stepOf(scoreAt<T>(scores, id), highest, perScore) == step) setId(ids, count++, id);
    }
  }
  return count;
}

/** The first id in order of rank through which the sum is over `least`, if it is over `most` then; else -1. */
function locate<T>(
  least: f64,
  most: f64,
  scores: usize,
  length: i32,
  highest: f64,
  temperature: f64,
  ids: usize,
): i32 {
  let step = 0;
  while (step < STEPS - 1 && sumThrough(step) <= least) step++;
  if (step == STEPS - 1 || sumThrough(step) <= most) return -1;
  const count = idsOf<T>(step, scores, length, highest, PER_NAT / temperature, ids);
  if (count > SORTED) return -1;
  sort<T>(scores, ids, count);
  let sum = step == 0 ? 0 : sumThrough(step - 1);
  for (let start = 0; start < count; start += BLOCK) {
    const part = min(BLOCK, count - start);
    weighRanked<T>(scores, ids, start, part, highest, temperature);
    for (let i = 0; i < part; i++) {
      sum += load<f64>(weights + (<usize>i << 3));
      if (sum > least) {
        through = sum;
        return sum > most ? idAt(ids, start + i) : -1;
      }
    }
  }
  return -1;
}

/**
 * The id that `part` of the weights' sum falls into, in order of ids; -1 where that is not sure.
 * @param blocks takes a sum for every block of ids
 */
export function drawById<T>(
  scores: usize,
  length: i32,
  highest: f64,
  temperature: f64,
  part: f64,
  blocks: usize,
): i32 {
  const perScore = PER_NAT / temperature;
  if (!(perScore > 0 && perScore < Infinity)) return -1;
  let total: f64 = 0;
  let at = blocks;
  for (let start = 0; start < length; start += BLOCK, at += 8) {
    const count = min(BLOCK, length - start);
    weighSteps<T>(scores, start, count, highest, perScore);
    total += blockSum(count);
    store<f64>(at, total);
  }
  const error = 2 * errorOf(total, length);
  const least = part * total - error;
  at = blocks;
  let start = 0;
  while (load<f64>(at) <= least) {
    at += 8;
    start += BLOCK;
  }
  const count = min(BLOCK, length - start);
  weigh<T>(scores, start, count, highest, temperature);
  let sum = start == 0 ? 0 : load<f64>(at - 8);
  for (let i = 0; i < count; i++) {
    sum += load<f64>(weights + (<usize>i << 3));
    if (sum > least) return sum > part * total + error ? start + i : -1;
  }
  return -1;
}

/**
 * The id that `part` of the weights falls into that are left by top-p `share`, in order of rank; -1 where that is not
 * sure.
 */
export function drawByRank<T>(
  scores: usize,
  length: i32,
  highest: f64,
  temperature: f64,
  share: f64,
  part: f64,
  ids: usize,
): i32 {
  const perScore = PER_NAT / temperature;
  if (!(perScore > 0 && perScore < Infinity)) return -1;
  memory.fill(sums, 0, STEPS * 8);
  for (let start = 0; start < length; start += BLOCK) {
    const count = min(BLOCK, length - start);
    weighSteps<T>(scores, start, count, highest, perScore);
    addToSteps(count);
  }
  let total: f64 = 0;
  for (let at: usize = 0; at < <usize>STEPS * 8; at += 8) {
    total += load<f64>(powers + at) * <f64>load<i64>(sums + at);
    store<f64>(sums + at, total);
  }
  const error = errorOf(total, length);
  const cut = share * total;
  let last = 0;
  while (last < STEPS - 1 && sumThrough(last) < cut - 2 * error) last++;
  // What is left is the cut's mass and less than the weight of one id more, the first of which the step may hold.
  const excess = load<f64>(powers + (<usize>last << 3)) * UNITS;
  const id = locate<T>(
    part * (cut - error) - error,
    part * (cut + error + excess) + error,
    scores,
    length,
    highest,
    temperature,
    ids,
  );
  if (id >= 0) return id;
  if (locate<T>(cut - 2 * error, cut + 2 * error, scores, length, highest, temperature, ids) < 0) return -1;
  const left = through;
  return locate<T>(
    part * (left - error) - error,
    part * (left + error) + error,
    scores,
    length,
    highest,
    temperature,
    ids,
  );
}
