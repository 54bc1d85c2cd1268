import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RankedMass } from "../../../../host/sampling/ranked-mass.ts";

/** Scores on a grid, so that equal ones are frequent; -Infinity for some. */
const scores = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: -400, max: 400 }).map((n) => n / 32) },
    { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
  ),
  { minLength: 1, maxLength: 400 },
);

describe("RankedMass", () => {
  it("finds the place that sorting finds, at and over any sum", () => {
    fc.assert(
      fc.property(scores, fc.integer({ min: 0, max: 64 }), (list, part) => {
        fc.pre(list.some((score) => score > Number.NEGATIVE_INFINITY));
        // Whole numbers fall with the score and add up exactly in any order.
        const weights = Float64Array.from(list, (score) =>
          score === Number.NEGATIVE_INFINITY ? 0 : 401 + 32 * score,
        );
        const order = [...list.keys()]
          .filter((id) => weights[id]! > 0)
          .sort((a, b) => list[b]! - list[a]! || a - b);
        const sums: number[] = [];
        for (const id of order) sums.push((sums.at(-1) ?? 0) + weights[id]!);
        const mass = Math.floor((sums.at(-1)! * part) / 64);
        const ranked = new RankedMass(list, weights);
        const expected = (place: number) => {
          const at = place < 0 ? order.length - 1 : place;
          return { id: order[at], through: sums[at] };
        };
        expect(ranked.placeAt(mass)).toEqual(expected(sums.findIndex((sum) => sum >= mass)));
        expect(ranked.placeOver(mass)).toEqual(expected(sums.findIndex((sum) => sum > mass)));
      }),
      { numRuns: 500 },
    );
  });

  it("tells scores apart that share a bucket of the whole range, and takes ids in order where all are equal", () => {
    const close = Float64Array.from({ length: 3000 }, (_, id) => (id === 0 ? 100 : (id % 7) * 1e-12));
    const ones = new Float64Array(3000).fill(1);
    const sorted = [...close.keys()].sort((a, b) => close[b]! - close[a]! || a - b);
    const ranked = new RankedMass(close, ones);
    for (const place of [0, 1, 427, 428, 2000, 2999])
      expect(ranked.placeOver(place)).toEqual({ id: sorted[place], through: place + 1 });
    expect(new RankedMass(new Float64Array(3000), ones).placeOver(1234)).toEqual({ id: 1234, through: 1235 });
  });
});
