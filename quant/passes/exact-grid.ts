import type { GridKind, GroupGrid } from "./grid.ts";

/**
 * Finds the grid of a group whose weights already lie on one. Weights s * (c - zh/2) are whole multiples of s/2,
 * all odd or all even, so the greatest common divisor gives the coarsest step there can be: twice the divisor if
 * all multiples are odd (and zero-points come in half steps), else the divisor. Remainders of doubles are exact, so nothing is taken for a grid that
 * merely comes close. Where several zero-points do (few levels in use) it is the one nearest the middle.
 * @param values the group's weights; the first `count` are looked at.
 * @returns whether there is one; `out` is written only then.
 */
export function findExactGrid(values: Float64Array, count: number, kind: GridKind, out: GroupGrid): boolean {
  const { maxCode, zeroStep, maxZeroHalf } = kind;
  let least = 0;
  let most = 0;
  for (let i = 0; i < count; i++) {
    const v = values[i]!;
    if (v < least) least = v;
    if (v > most) most = v;
  }
  const largest = Math.max(-least, most);
  if (largest === 0) {
    out.scale = 0;
    out.zeroHalf = 0;
    return true;
  }
  // No weight is more half steps from zero than this; a smaller divisor cannot be half a step.
  const floor = largest / Math.max(maxZeroHalf, 2 * maxCode);
  const divisor = commonDivisor(values, count, floor);
  if (divisor === 0) return false;

  let odd = 0;
  for (let i = 0; i < count; i++) odd += Math.abs(values[i]! / divisor) % 2;
  const allOdd = odd === count && zeroStep === 1;
  const half = allOdd ? divisor : divisor / 2;
  let lowest = Number.POSITIVE_INFINITY;
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < count; i++) {
    const u = values[i]! / half;
    if (u < lowest) lowest = u;
    if (u > highest) highest = u;
  }
  const from = Math.max(0, -lowest);
  const to = Math.min(maxZeroHalf, 2 * maxCode - highest);
  const step = Math.max(zeroStep, 2);
  const phase = allOdd ? 1 : 0;
  // The multiple of step (plus phase) nearest the grid's middle, moved into from..to.
  let zeroHalf = Math.round((maxCode - phase) / step) * step + phase;
  if (zeroHalf < from) zeroHalf = Math.ceil((from - phase) / step) * step + phase;
  if (zeroHalf > to) zeroHalf = Math.floor((to - phase) / step) * step + phase;
  if (zeroHalf < from || zeroHalf > to) return false;
  out.scale = 2 * half;
  out.zeroHalf = zeroHalf;
  return true;
}

/** Greatest common divisor by Euclid, 0 as soon as it would fall below `floor`. */
function commonDivisor(values: Float64Array, count: number, floor: number): number {
  let divisor = 0;
  for (let i = 0; i < count; i++) {
    let rest = Math.abs(values[i]!);
    while (rest > 0) {
      if (rest < floor) return 0;
      const next = divisor % rest;
      divisor = rest;
      rest = next;
    }
  }
  return divisor;
}
