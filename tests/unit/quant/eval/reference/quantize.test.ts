import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { absmax, quantize8, quantize16 } from "../../../../../quant/eval/reference/quantize.ts";

const vectors = fc
  .array(fc.float({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1, maxLength: 40 })
  .map((v) => Float32Array.from(v));

describe("quantize", () => {
  test("with a maximum of 127 codes are the numbers, ties to even", () => {
    const v = Float32Array.of(127, 0.5, 1.5, 2.5, -0.5, -1.5, 0.49, -126.5);
    const { codes, scale, finite } = quantize8(v);
    expect([...codes]).toEqual([127, 0, 2, 2, 0, -2, 0, -126]);
    expect(scale).toBe(1);
    expect(finite).toBe(true);
  });

  test.each([
    ["8 bits", quantize8, 127],
    ["16 bits", quantize16, 32767],
  ] as const)(
    "%s: every number is within half a step, the largest at the end of the range",
    (_, run, most) => {
      fc.assert(
        fc.property(vectors, (v) => {
          const { codes, scale } = run(v);
          const largest = Math.max(...v.map(Math.abs));
          if (largest < 2 ** -60) return;
          v.forEach((x, i) => {
            expect(Math.abs(x - codes[i]! * scale)).toBeLessThanOrEqual(0.5 * scale + largest * 2e-7);
            if (Math.abs(x) === largest) expect(Math.abs(codes[i]!)).toBe(most);
          });
        }),
      );
    },
  );

  test("below 2^-60 a vector counts as zero, from there on it does not", () => {
    const below = quantize8(Float32Array.of(2 ** -60 * (1 - 2 ** -24), 0));
    expect(below).toMatchObject({ scale: 0, finite: true });
    expect([...below.codes]).toEqual([0, 0]);
    expect([...quantize8(Float32Array.of(-(2 ** -60), 0)).codes]).toEqual([-127, 0]);
  });

  test.each([[Number.NaN], [Number.POSITIVE_INFINITY], [Number.NEGATIVE_INFINITY]])(
    "%s zeroes it all",
    (bad) => {
      for (const v of [Float32Array.of(1, bad, 3), Float32Array.of(bad, 1), Float32Array.of(1, bad)]) {
        expect(absmax(v)).toBeUndefined();
        const { codes, scale, finite } = quantize8(v);
        expect({ codes: [...codes], scale, finite }).toEqual({
          codes: Array.from(v, () => 0),
          scale: 0,
          finite: false,
        });
      }
    },
  );

  test("the largest float32 is still a number", () => {
    const largest = Math.fround(3.4028234e38);
    expect(quantize8(Float32Array.of(largest, -largest / 2))).toMatchObject({ finite: true });
    expect([...quantize8(Float32Array.of(largest, -largest)).codes]).toEqual([127, -127]);
  });
});
