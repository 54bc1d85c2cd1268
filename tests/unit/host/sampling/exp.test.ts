import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expNonPositive } from "../../../../host/sampling/exp.ts";

describe("expNonPositive", () => {
  it("agrees with the platform's exp to a relative 1e-15", () => {
    fc.assert(
      fc.property(fc.double({ min: -707, max: 0, noNaN: true }), (x) => {
        expect(Math.abs(expNonPositive(x) / Math.exp(x) - 1)).toBeLessThan(1e-15);
      }),
      { numRuns: 2000 },
    );
  });

  it("is exact at the ends", () => {
    expect(expNonPositive(0)).toBe(1);
    expect(expNonPositive(-0)).toBe(1);
    expect(expNonPositive(Number.NEGATIVE_INFINITY)).toBe(0);
    expect(expNonPositive(-709)).toBe(0);
  });
});
