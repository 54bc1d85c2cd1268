import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RankedMass } from "../../../../host/sampling/ranked-mass.ts";
import { PlacedScores } from "../../../../host/sampling/simd/placed-scores.ts";

/** Scores on a grid, so that equal ones are frequent; -Infinity for some. */
const scores = fc.array(
  fc.oneof(
    { weight: 9, arbitrary: fc.integer({ min: -400, max: 400 }).map((n) => n / 32) },
    { weight: 1, arbitrary: fc.constant(Number.NEGATIVE_INFINITY) },
  ),
  { minLength: 1, maxLength: 400 },
);

/** Ids by rank, and the sums through each of them. */
function sorted(list: ArrayLike<number>, highest: number, temperature: number) {
  const order = Array.from(list, (_, id) => id)
    .filter((id) => list[id]! > Number.NEGATIVE_INFINITY)
    .sort((a, b) => list[b]! - list[a]! || a - b);
  const sums: number[] = [];
  for (const id of order) sums.push((sums.at(-1) ?? 0) + Math.exp((list[id]! - highest) / temperature));
  return { order, sums };
}

describe("RankedMass", () => {
  it("finds the place that sorting finds, at and over any sum, whatever it held before", () => {
    fc.assert(
      fc.property(scores, fc.nat(1000), fc.constantFrom(0.7, 1, 3), (list, part, temperature) => {
        fc.pre(list.some((score) => score > Number.NEGATIVE_INFINITY));
        const highest = Math.max(...list);
        const { order, sums } = sorted(list, highest, temperature);
        const at = part % order.length;
        // Between two sums, so that it does not matter how they were rounded.
        const mass = (sums[at]! + (sums[at - 1] ?? 0)) / 2;
        fc.pre(sums[at]! - mass > 1e-9 * mass);
        const ranked = new RankedMass(new PlacedScores(Float64Array.from(list)), { highest, temperature });
        for (const place of [ranked.placeAt(mass), ranked.placeOver(mass)]) {
          expect(place.id).toBe(order[at]);
          expect(place.through / sums[at]!).toBeCloseTo(1, 12);
        }
        expect(ranked.total / sums.at(-1)!).toBeCloseTo(1, 12);
      }),
      { numRuns: 500 },
    );
  });

  it("counts what is likely, and tells at from over where sums are exact", () => {
    const halves = Float64Array.of(0, -1, -2, Number.NEGATIVE_INFINITY, 0);
    const ranked = new RankedMass(new PlacedScores(halves), { highest: 0, temperature: 1 / Math.LN2 }, 0.4);
    expect(ranked.likely).toBeCloseTo(2.5, 14);
    expect(ranked.placeAt(1)).toEqual({ id: 0, through: 1 });
    expect(ranked.placeOver(1)).toEqual({ id: 4, through: 2 });
    expect(ranked.placeOver(9).id).toBe(2);
  });

  it("tells scores apart that share a bucket of the whole range, and takes ids in order where all are equal", () => {
    const close = Float64Array.from({ length: 3000 }, (_, id) => (id === 0 ? 1 : (id % 7) * 1e-12));
    const { order, sums } = sorted(close, 1, 1);
    const ranked = new RankedMass(new PlacedScores(close), { highest: 1, temperature: 1 });
    for (const place of [0, 1, 427, 428, 2000, 2999]) {
      expect(ranked.placeOver((sums[place]! + (sums[place - 1] ?? 0)) / 2).id).toBe(order[place]);
    }
    const equal = new RankedMass(new PlacedScores(new Float64Array(3000)), { highest: 0, temperature: 1 });
    expect(equal.placeOver(1234)).toEqual({ id: 1234, through: 1235 });
  });
});
