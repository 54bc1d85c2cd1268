import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { type WeightFormat, weightFormats } from "../../../../quant/format/weight-layout.ts";
import { findExactGrid } from "../../../../quant/passes/exact-grid.ts";
import { gridKind } from "../../../../quant/passes/grid.ts";

const formats = Object.keys(weightFormats) as WeightFormat[];

/** Weights on a grid that the format can store, with a scale of at most 16 bits. */
const gridded = fc
  .record({
    format: fc.constantFrom(...formats),
    zeroCode: fc.nat(31),
    scale: fc.integer({ min: 1, max: 0xffff }),
    power: fc.integer({ min: -24, max: 4 }),
    picks: fc.array(fc.nat(255), { minLength: 1, maxLength: 64 }),
  })
  .map(({ format, zeroCode, scale, power, picks }) => {
    const { bits, zeroShift, zeroCodes } = weightFormats[format];
    const zeroHalf = (zeroCode % zeroCodes) << zeroShift;
    const step = scale * 2 ** power;
    const values = Float64Array.from(picks, (pick) => step * ((pick % (1 << bits)) - zeroHalf / 2));
    return { format, values };
  });

describe("findExactGrid", () => {
  it("finds a grid that stores weights from a grid without error", () => {
    fc.assert(
      fc.property(gridded, ({ format, values }) => {
        const grid = { scale: 0, zeroHalf: 0 };
        expect(findExactGrid(values, values.length, gridKind(format), grid)).toBe(true);
        const { bits, zeroShift, zeroCodes } = weightFormats[format];
        expect(grid.zeroHalf % (1 << zeroShift)).toBe(0);
        expect(grid.zeroHalf >> zeroShift).toBeLessThan(zeroCodes);
        for (const v of values) {
          const code = grid.scale === 0 ? 0 : v / grid.scale + grid.zeroHalf / 2;
          expect(Number.isInteger(code) && code >= 0 && code < 1 << bits).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it("takes the symmetric grid for its four levels and for any of them alone", () => {
    const grid = { scale: 0, zeroHalf: 0 };
    const kind = gridKind("w2s24");
    const s = 0.0123291015625;
    expect(findExactGrid(Float64Array.of(-1.5 * s, 1.5 * s, 0.5 * s, -0.5 * s), 4, kind, grid)).toBe(true);
    expect(grid).toEqual({ scale: s, zeroHalf: 3 });
    expect(findExactGrid(Float64Array.of(0.5 * s, 0.5 * s, -0.5 * s), 3, kind, grid)).toBe(true);
    expect(grid).toEqual({ scale: s, zeroHalf: 3 });
  });

  it("is not taken in by weights that only come close", () => {
    const grid = { scale: 7, zeroHalf: 7 };
    const s = 0.0123291015625;
    const near = Float64Array.of(-1.5 * s, Math.fround(1.5 * s * (1 + 2 ** -23)), 0.5 * s);
    expect(findExactGrid(near, 3, gridKind("w2"), grid)).toBe(false);
    expect(grid).toEqual({ scale: 7, zeroHalf: 7 });
  });

  it("refuses five levels for two bits and takes them for four", () => {
    const values = Float64Array.of(-2, -1, 0, 1, 2);
    const grid = { scale: 0, zeroHalf: 0 };
    expect(findExactGrid(values, 5, gridKind("w2"), grid)).toBe(false);
    expect(findExactGrid(values, 5, gridKind("w4"), grid)).toBe(true);
    expect(grid.scale).toBe(1);
  });
});
