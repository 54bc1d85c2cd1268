import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { sortedIds } from "../../../../host/sampling/order.ts";

describe("sortedIds", () => {
  const order = (scores: ArrayLike<number>) =>
    Array.from({ length: scores.length }, (_, id) => id).sort((a, b) => scores[b]! - scores[a]! || a - b);

  it("is the order of the scores, whatever they are: float32, doubles a rounding apart, zeros of both signs", () => {
    const score = fc.oneof(
      fc.float({ noNaN: true, noDefaultInfinity: true }),
      fc.double({ noNaN: true, min: -1, max: 1 }),
      fc.constantFrom(0, -0, 1, 1 + 2 ** -40, 1 - 2 ** -40, -1, -1 - 2 ** -40),
    );
    fc.assert(
      fc.property(fc.array(score, { minLength: 1025, maxLength: 1600 }), (scores) => {
        const array = Float64Array.from(scores);
        expect([...sortedIds(array)]).toEqual(order(array));
      }),
      { numRuns: 50 },
    );
  });

  it("ends with what is excluded", () => {
    const scores = Float32Array.from({ length: 3000 }, (_, id) =>
      id % 3 === 0 ? Number.NEGATIVE_INFINITY : (id * 7919) % 1000,
    );
    const ids = sortedIds(scores);
    expect([...ids.subarray(2000)]).toEqual(Array.from({ length: 1000 }, (_, i) => 3 * i));
    expect(scores[ids[1999]!]).toBeGreaterThanOrEqual(0);
  });
});
