import type { GridKind, GroupGrid } from "./grid.ts";

/** Shares of the full range that the grid covers; what lies outside is clipped. Fewer bits gain more by clipping. */
const fineShares = [1, 0.985];
const coarseShares = [1, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7];
/** Alternations of codes for the step and step for the codes that finish a search. */
const refinements = 3;

/**
 * Searches the grid of a group of four- or eight-bit weights: zero-points around the one that centres the range, for
 * each a few shares of the range, then alternating least squares from the best. Not exhaustive; the grid of plain
 * min-max rounding with that zero-point is among the candidates, so it is never worse.
 */
export class WideSearch {
  readonly #kind: GridKind;
  readonly #shares: readonly number[];
  readonly #reach: number;
  /** Numerator and denominator of the best step for the codes of the last {@link #error}. */
  #a = 0;
  #b = 0;

  constructor(kind: GridKind) {
    this.#kind = kind;
    const fine = kind.maxCode > 15;
    this.#shares = fine ? fineShares : coarseShares;
    this.#reach = fine ? 1 : 2;
  }

  /** Writes the best grid found into `out`. */
  search(values: Float64Array, count: number, out: GroupGrid): void {
    const { maxCode, zeroStep, maxZeroHalf } = this.#kind;
    let least = 0;
    let most = 0;
    for (let i = 0; i < count; i++) {
      const v = values[i]!;
      if (v < least) least = v;
      if (v > most) most = v;
    }
    out.scale = 0;
    out.zeroHalf = 0;
    if (most === least) return;
    const centre = Math.round((-2 * maxCode * least) / (most - least) / zeroStep) * zeroStep;
    let best = Number.POSITIVE_INFINITY;
    for (let k = -this.#reach; k <= this.#reach; k++) {
      const zeroHalf = centre + k * zeroStep;
      if (zeroHalf < 0 || zeroHalf > maxZeroHalf) continue;
      const full = coveringStep(least, most, zeroHalf / 2, maxCode);
      for (const share of this.#shares) {
        const error = this.#error(values, count, full * share, zeroHalf, best);
        if (error >= best) continue;
        best = error;
        out.scale = full * share;
        out.zeroHalf = zeroHalf;
      }
    }
    this.#refine(values, count, out, best);
  }

  #refine(values: Float64Array, count: number, out: GroupGrid, error: number): void {
    let best = error;
    for (let k = 0; k < refinements; k++) {
      this.#error(values, count, out.scale, out.zeroHalf, Number.POSITIVE_INFINITY);
      if (!(this.#a > 0 && this.#b > 0)) return;
      const scale = this.#a / this.#b;
      const refined = this.#error(values, count, scale, out.zeroHalf, Number.POSITIVE_INFINITY);
      if (!(refined < best)) return;
      best = refined;
      out.scale = scale;
    }
  }

  /** Squared error of rounding to a grid; gives up where it passes `bound`. */
  #error(values: Float64Array, count: number, scale: number, zeroHalf: number, bound: number): number {
    const { maxCode } = this.#kind;
    const zero = zeroHalf / 2;
    const inverse = 1 / scale;
    let error = 0;
    let a = 0;
    let b = 0;
    for (let i = 0; i < count; i++) {
      const v = values[i]!;
      let code = Math.floor(v * inverse + zero + 0.5);
      if (code < 0) code = 0;
      else if (code > maxCode) code = maxCode;
      const u = code - zero;
      const d = v - scale * u;
      error += d * d;
      if (error > bound) return error;
      a += v * u;
      b += u * u;
    }
    this.#a = a;
    this.#b = b;
    return error;
  }
}

/** The least step whose grid covers least..most around a zero-point, as far as it can. */
function coveringStep(least: number, most: number, zero: number, maxCode: number): number {
  const above = zero < maxCode ? most / (maxCode - zero) : 0;
  const below = zero > 0 ? -least / zero : 0;
  return Math.max(above, below) || Math.max(most, -least) / maxCode;
}
