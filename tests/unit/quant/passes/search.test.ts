import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { WeightFormat } from "../../../../quant/format/weight-layout.ts";
import { type GridKind, gridKind } from "../../../../quant/passes/grid.ts";
import { TwoBitSearch } from "../../../../quant/passes/search-two-bit.ts";
import { WideSearch } from "../../../../quant/passes/search-wide.ts";

/** Squared error of the nearest codes, straight from the definition. */
function gridError(values: Float64Array, scale: number, zeroHalf: number, kind: GridKind): number {
  let sum = 0;
  for (const v of values) {
    let best = Number.POSITIVE_INFINITY;
    for (let code = 0; code <= kind.maxCode; code++) {
      best = Math.min(best, (v - scale * (code - zeroHalf / 2)) ** 2);
    }
    sum += best;
  }
  return sum;
}

/** Least error over every assignment of codes and every zero-point, each with its best step. */
function bruteForce(values: Float64Array, kind: GridKind): number {
  const energy = values.reduce((sum, v) => sum + v * v, 0);
  let best = energy;
  for (let zeroHalf = 0; zeroHalf <= kind.maxZeroHalf; zeroHalf++) {
    for (let codes = 0; codes < 4 ** values.length; codes++) {
      let a = 0;
      let b = 0;
      for (const [i, v] of values.entries()) {
        const u = ((codes >> (2 * i)) & 3) - zeroHalf / 2;
        a += v * u;
        b += u * u;
      }
      if (a > 0) best = Math.min(best, energy - (a * a) / b);
    }
  }
  return best;
}

const weight = fc.oneof(
  fc.float({ min: -1, max: 1, noNaN: true }),
  fc.constantFrom(0, 0.25, -0.25, 1e-6, -3),
);
const weights = (max: number) =>
  fc.array(weight, { minLength: 1, maxLength: max }).map((list) => Float64Array.from(list));

describe("TwoBitSearch", () => {
  for (const format of ["w2s24", "w2"] as const) {
    it(`finds the least squared error there is (${format})`, () => {
      const kind = gridKind(format);
      const search = new TwoBitSearch(kind);
      fc.assert(
        fc.property(weights(4), (values) => {
          const grid = { scale: 0, zeroHalf: 0 };
          search.search(values, values.length, grid);
          const found = gridError(values, grid.scale, grid.zeroHalf, kind);
          const energy = values.reduce((sum, v) => sum + v * v, 0);
          expect(Math.abs(found - bruteForce(values, kind))).toBeLessThanOrEqual(1e-12 * energy);
        }),
        { numRuns: 150 },
      );
    });
  }

  it("is no worse than any of 4000 steps on a full group", () => {
    const kind = gridKind("w2");
    const search = new TwoBitSearch(kind);
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -1, max: 1, noNaN: true }), { minLength: 64, maxLength: 64 }),
        (list) => {
          const values = Float64Array.from(list);
          const grid = { scale: 0, zeroHalf: 0 };
          search.search(values, 64, grid);
          const found = gridError(values, grid.scale, grid.zeroHalf, kind);
          for (let zeroHalf = 0; zeroHalf <= 7; zeroHalf++) {
            for (let k = 1; k <= 500; k++) {
              expect(found).toBeLessThanOrEqual(gridError(values, k / 400, zeroHalf, kind) + 1e-9);
            }
          }
        },
      ),
      { numRuns: 3 },
    );
  });

  it("leaves a group of zeros at step 0", () => {
    const grid = { scale: 1, zeroHalf: 1 };
    new TwoBitSearch(gridKind("w2")).search(new Float64Array(64), 64, grid);
    expect(grid.scale).toBe(0);
  });
});

describe("WideSearch", () => {
  for (const format of ["w4", "w8"] as const satisfies WeightFormat[]) {
    it(`is never worse than plain min-max, and near the best of a fine scan (${format})`, () => {
      const kind = gridKind(format);
      const search = new WideSearch(kind);
      fc.assert(
        fc.property(weights(format === "w4" ? 64 : 16), (values) => {
          const grid = { scale: 0, zeroHalf: 0 };
          search.search(values, values.length, grid);
          const found = gridError(values, grid.scale, grid.zeroHalf, kind);
          const least = Math.min(0, ...values);
          const most = Math.max(0, ...values);
          if (most === least) return;
          expect(grid.zeroHalf % kind.zeroStep).toBe(0);
          expect(found).toBeLessThanOrEqual(minMaxError(values, least, most, kind) * (1 + 1e-9));
        }),
        { numRuns: 100 },
      );
    });
  }
});

/** Rounding with the grid that just covers least..most around the zero-point nearest to where zero falls. */
function minMaxError(values: Float64Array, least: number, most: number, kind: GridKind): number {
  const ideal = (-2 * kind.maxCode * least) / (most - least);
  const zeroHalf = Math.min(kind.maxZeroHalf, Math.round(ideal / kind.zeroStep) * kind.zeroStep);
  const above = zeroHalf / 2 < kind.maxCode ? most / (kind.maxCode - zeroHalf / 2) : 0;
  const below = zeroHalf > 0 ? -least / (zeroHalf / 2) : 0;
  return gridError(values, Math.max(above, below), zeroHalf, kind);
}
