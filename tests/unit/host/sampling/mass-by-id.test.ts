import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MassById } from "../../../../host/sampling/mass-by-id.ts";
import { PlacedScores } from "../../../../host/sampling/simd/placed-scores.ts";

describe("MassById", () => {
  it("finds the id in which a sum ends, in any block, whatever it held before", () => {
    const list = fc.array(fc.constantFrom(0, -1, -3.5, -8, Number.NEGATIVE_INFINITY), {
      minLength: 1,
      maxLength: 600,
      size: "max",
    });
    fc.assert(
      fc.property(
        list,
        fc.nat(1000),
        fc.constantFrom(0.5, 1),
        fc.boolean(),
        (scores, part, temperature, narrow) => {
          fc.pre(scores.some((score) => score === 0));
          let sum = 0;
          const sums = scores.map((score) => (sum += Math.exp(score / temperature)));
          const placed = new PlacedScores((narrow ? Float32Array : Float64Array).from(scores));
          const mass = new MassById(placed, { highest: 0, temperature });
          const { total } = mass;
          expect(total / sum).toBeCloseTo(1, 12);
          const wanted = (total * part) / 1000;
          const id = mass.over(wanted);
          expect(scores[id]).toBeGreaterThan(Number.NEGATIVE_INFINITY);
          expect(sums[id]!).toBeGreaterThanOrEqual(wanted * (1 - 1e-12));
          expect(sums[id - 1] ?? 0).toBeLessThanOrEqual(wanted * (1 + 1e-12));
        },
      ),
      { numRuns: 500 },
    );
  });

  it("gives the last id that has a weight where the sum is not over what is asked", () => {
    const placed = new PlacedScores(Float32Array.of(0, 0, Number.NEGATIVE_INFINITY));
    const mass = new MassById(placed, { highest: 0, temperature: 1 });
    expect(mass.over(mass.total)).toBe(1);
  });
});
