import type { GridKind, GroupGrid } from "./grid.ts";

/** Middle of the grid first: the best score so far then rules out most others without a sweep. */
const zeroOrder = [3, 2, 4, 1, 5, 0, 6];

/** Smallest codes and thresholds of a two-bit grid: code j + 1 begins at (2j + 1 - zh) / 2 steps. */
const thresholds = 3;

/**
 * The least-squares grid of a group of two-bit weights, exactly. For a fixed zero-point, let the step s grow from 0:
 * every threshold s * (2j + 1 - zh) / 2 passes each weight on its side once, and the weight changes its code by one.
 * Between two such events the codes are constant, and with A = sum v u and B = sum u^2 over u = c - zh/2 the best
 * step is A / B and removes A^2 / B of the energy. So one merge of sorted lists, with O(1) an event, sees every
 * rounding that any step leads to. Weights on one side of zero by magnitude keep the lists short.
 */
export class TwoBitSearch {
  readonly #kind: GridKind;
  readonly #positive = new Float64Array(64);
  readonly #negative = new Float64Array(64);
  /** The up to three merged lists: magnitudes, their count, how many steps the threshold is from zero. */
  readonly #lists: Float64Array[] = [this.#positive, this.#positive, this.#positive];
  readonly #lengths = new Int32Array(thresholds);
  readonly #distances = new Float64Array(thresholds);
  readonly #rates = new Float64Array(thresholds);
  readonly #next = new Int32Array(thresholds);
  readonly #events = new Float64Array(thresholds);
  #positives = 0;
  #negatives = 0;
  #zeros = 0;
  #bestScore = 0;
  #bestScale = 0;

  constructor(kind: GridKind) {
    this.#kind = kind;
  }

  /** Writes the grid of least squared error into `out`. @param values at most 64 weights, `count` of them. */
  search(values: Float64Array, count: number, out: GroupGrid): void {
    this.#split(values, count);
    const { positiveEnergy, negativeEnergy, positiveSum, negativeSum } = this.#sums();
    this.#bestScore = 0;
    this.#bestScale = 0;
    out.zeroHalf = 3;
    for (let k = 0; k <= this.#kind.maxZeroHalf; k++) {
      const zeroHalf = k < zeroOrder.length ? zeroOrder[k]! : k;
      // A side of zero that has no level keeps all its energy, one that has one level half a step away keeps what a
      // single value leaves of it: more than the best so far may leave in all, mostly.
      if (
        zeroHalf < 2 &&
        positiveEnergy + zeroHalf * oneLevel(negativeSum, this.#negatives) <= this.#bestScore
      )
        continue;
      if (zeroHalf >= 6 && negativeEnergy <= this.#bestScore) continue;
      if (zeroHalf === 5 && negativeEnergy + oneLevel(positiveSum, this.#positives) <= this.#bestScore)
        continue;
      if (this.#sweep(zeroHalf, positiveSum, negativeSum)) out.zeroHalf = zeroHalf;
    }
    out.scale = this.#bestScale;
  }

  /** Sorts the magnitudes of both signs. */
  #split(values: Float64Array, count: number): void {
    this.#positives = 0;
    this.#negatives = 0;
    this.#zeros = 0;
    for (let i = 0; i < count; i++) {
      const v = values[i]!;
      if (v > 0) insert(this.#positive, this.#positives++, v);
      else if (v < 0) insert(this.#negative, this.#negatives++, -v);
      else this.#zeros++;
    }
  }

  #sums() {
    let positiveEnergy = 0;
    let negativeEnergy = 0;
    let positiveSum = 0;
    let negativeSum = 0;
    for (let i = 0; i < this.#positives; i++) {
      const v = this.#positive[i]!;
      positiveSum += v;
      positiveEnergy += v * v;
    }
    for (let i = 0; i < this.#negatives; i++) {
      const v = this.#negative[i]!;
      negativeSum += v;
      negativeEnergy += v * v;
    }
    return { positiveEnergy, negativeEnergy, positiveSum, negativeSum };
  }

  /** @returns whether a better score was found. */
  #sweep(zeroHalf: number, positiveSum: number, negativeSum: number): boolean {
    const lists = this.#lists;
    const lengths = this.#lengths;
    const distances = this.#distances;
    const rates = this.#rates;
    const next = this.#next;
    const events = this.#events;
    for (let j = 0; j < thresholds; j++) {
      const distance = (2 * j + 1 - zeroHalf) / 2;
      const list = distance > 0 ? this.#positive : this.#negative;
      const length = distance > 0 ? this.#positives : distance < 0 ? this.#negatives : 0;
      lists[j] = list;
      lengths[j] = length;
      // A threshold at zero has no events, and its rate is not used.
      distances[j] = Math.abs(distance);
      rates[j] = 1 / distances[j]!;
      next[j] = 0;
      events[j] = length > 0 ? list[0]! * rates[j]! : Number.POSITIVE_INFINITY;
    }
    const top = 3 - zeroHalf / 2;
    const bottom = zeroHalf / 2;
    const zero = Math.min(3, zeroHalf >> 1) - zeroHalf / 2;
    let a = positiveSum * top + negativeSum * bottom;
    let b = this.#positives * top * top + this.#negatives * bottom * bottom + this.#zeros * zero * zero;
    let score = this.#bestScore;
    let improved = false;
    for (;;) {
      if (a > 0 && b > 0 && a * a > score * b) {
        score = (a * a) / b;
        this.#bestScale = a / b;
        improved = true;
      }
      let j = events[0]! <= events[1]! ? 0 : 1;
      if (events[2]! < events[j]!) j = 2;
      if (events[j] === Number.POSITIVE_INFINITY) break;
      const list = lists[j]!;
      const i = next[j]!;
      // One code towards zero: u * sign falls by one, and u^2 by 2 * distance.
      a -= list[i]!;
      b -= 2 * distances[j]!;
      next[j] = i + 1;
      events[j] = i + 1 < lengths[j]! ? list[i + 1]! * rates[j]! : Number.POSITIVE_INFINITY;
    }
    this.#bestScore = score;
    return improved;
  }
}

/** Energy that one level takes off weights on its side of zero, at most. */
function oneLevel(sum: number, count: number): number {
  return count === 0 ? 0 : (sum * sum) / count;
}

function insert(sorted: Float64Array, length: number, v: number): void {
  let i = length;
  while (i > 0 && sorted[i - 1]! > v) {
    sorted[i] = sorted[i - 1]!;
    i--;
  }
  sorted[i] = v;
}
