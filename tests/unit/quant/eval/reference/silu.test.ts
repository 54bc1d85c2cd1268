import fc from "fast-check";
import { expect, test } from "vitest";
import { siluMul } from "../../../../../quant/eval/reference/silu.ts";

test("is g * sigmoid(g) * u", () => {
  const float = fc.float({ min: -30, max: 30, noNaN: true });
  fc.assert(
    fc.property(float, float, (g, u) => {
      const exact = (g / (1 + Math.exp(-g))) * u;
      const [m] = siluMul(Float32Array.of(g), Float32Array.of(u));
      // The exponential is a whole number of 2^-24: an absolute floor for very negative g.
      const floor = Math.abs(g * u) * 2 ** -24 + 2 ** -126;
      expect(Math.abs(m! - exact)).toBeLessThanOrEqual(4e-6 * Math.abs(exact) + floor);
    }),
    { numRuns: 2000 },
  );
});

test("fixed points and ends", () => {
  const values = siluMul(Float32Array.of(0, 100, -100), Float32Array.of(5, 2, 2));
  expect(Array.from(values, (x) => x + 0)).toEqual([0, 200, 0]);
});

test("NaN and infinities stay visible to the quantizer", () => {
  const bad = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1);
  const u = Float32Array.of(1, 1, 1, Number.NaN);
  for (const m of siluMul(bad, u)) expect(Number.isFinite(m)).toBe(false);
});
