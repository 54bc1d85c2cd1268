import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { roundScales, scaleUnit } from "../../../../quant/passes/round.ts";

function round(scales: number[], unit = 1) {
  const integers = new Uint16Array(scales.length);
  const row = { exponent: 0, lostBits: false };
  const fits = roundScales(Float64Array.from(scales), scales.length, integers, 0, unit, row);
  return { fits, integers, ...row };
}

describe("roundScales", () => {
  it("stores 11-bit scales that span up to 2^5 exactly", () => {
    const scale = fc.record({
      mantissa: fc.integer({ min: 1024, max: 2047 }),
      power: fc.integer({ min: 0, max: 4 }),
    });
    fc.assert(
      fc.property(
        fc.array(scale, { minLength: 1, maxLength: 20 }),
        fc.integer({ min: -40, max: 20 }),
        (list, base) => {
          const scales = list.map(({ mantissa, power }) => mantissa * 2 ** (base + power));
          const { fits, integers, exponent, lostBits } = round(scales);
          expect(fits).toBe(true);
          expect(lostBits).toBe(false);
          expect([...integers].map((m) => m * 2 ** exponent)).toEqual(scales);
        },
      ),
    );
  });

  it("gives the largest all sixteen bits, and the next exponent where it would round to 2^16", () => {
    expect(round([1])).toEqual({
      fits: true,
      integers: Uint16Array.of(0x8000),
      exponent: -15,
      lostBits: false,
    });
    const below = 2 - 2 ** -40;
    expect(round([below])).toMatchObject({ integers: Uint16Array.of(0x8000), exponent: -14 });
    expect(round([2 - 2 ** -15])).toMatchObject({ integers: Uint16Array.of(0xffff), exponent: -15 });
  });

  it("says so where a scale far below the row's largest is rounded, and only then", () => {
    expect(round([1, 1025 * 2 ** -16]).lostBits).toBe(true);
    expect(round([1, 1024 * 2 ** -16]).lostBits).toBe(false);
    expect(round([1, 2 ** -20])).toMatchObject({ integers: Uint16Array.of(0x8000, 0), lostBits: true });
  });

  it("keeps zeros, clamps small rows to the least exponent and refuses what is above the greatest", () => {
    expect(round([0, 0])).toEqual({ fits: true, integers: new Uint16Array(2), exponent: 0, lostBits: false });
    expect(round([2 ** -50, 0])).toMatchObject({ exponent: -56, integers: Uint16Array.of(64, 0) });
    expect(round([2 ** 55]).fits).toBe(true);
    expect(round([2 ** 56]).fits).toBe(false);
  });

  it("leaves two-bit weights eight bits, the nearest ones, under the exponent that keeps them below 2^16", () => {
    const unit = scaleUnit("w2");
    expect(unit).toBe(256);
    expect([scaleUnit("w2s24"), scaleUnit("w4"), scaleUnit("w8")]).toEqual([256, 1, 1]);
    const positive = fc.double({ min: 2 ** -12, max: 1, noNaN: true });
    fc.assert(
      fc.property(fc.array(positive, { minLength: 1, maxLength: 20 }), (scales) => {
        const { fits, integers, exponent } = round(scales, unit);
        expect(fits).toBe(true);
        expect(Math.max(...integers)).toBeGreaterThanOrEqual(2 ** 15);
        for (const [g, m] of integers.entries()) {
          expect(m % unit).toBe(0);
          expect(Math.abs(m * 2 ** exponent - scales[g]!)).toBeLessThanOrEqual((unit / 2) * 2 ** exponent);
        }
      }),
    );
    expect(round([255.4, 1.6], unit)).toMatchObject({
      integers: Uint16Array.of(255 * 256, 2 * 256),
      exponent: -8,
    });
    expect(round([255.6, 1.6], unit)).toMatchObject({
      integers: Uint16Array.of(128 * 256, 256),
      exponent: -7,
    });
  });
});
