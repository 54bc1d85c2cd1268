import { describe, expect, it } from "vitest";
import { median, summarizeRates } from "../../../../host/bench/statistics.ts";

describe("summarizeRates", () => {
  it("gives mean, sample deviation and the best", () => {
    // By hand: mean 5, squares 9 + 1 + 1 + 1 + 0 + 0 + 4 + 16 = 32, over 7.
    const { tokensPerSecond, sd, best } = summarizeRates([2, 4, 4, 4, 5, 5, 7, 9]);
    expect(tokensPerSecond).toBe(5);
    expect(sd).toBeCloseTo(Math.sqrt(32 / 7), 12);
    expect(best).toBe(9);
  });

  it("has no deviation for one value and refuses none", () => {
    expect(summarizeRates([3])).toEqual({ tokensPerSecond: 3, sd: 0, best: 3 });
    expect(() => summarizeRates([])).toThrow(RangeError);
  });
});

describe("median", () => {
  it("is the middle, whatever the order", () => {
    expect(median([9, 1, 5])).toBe(5);
    expect(median([9, 1, 5, 2])).toBe(3.5);
    expect(median([4])).toBe(4);
  });
});
