import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expNonPositive } from "../../../../host/sampling/exp.ts";
import { BLOCK, BUCKETS } from "../../../../host/sampling/simd/frame.ts";
import { sourceDigest } from "../../../../host/sampling/simd/module.ts";
import { PlacedScores } from "../../../../host/sampling/simd/placed-scores.ts";

const score = fc.oneof(
  { weight: 9, arbitrary: fc.double({ noNaN: true, min: -1000, max: 60 }).map(Math.fround) },
  { weight: 1, arbitrary: fc.constantFrom(Number.NEGATIVE_INFINITY, 0, -0, -565, -567) },
);
/** Of one block or of several, with ends inside a block and of odd length. */
const lists = fc.array(score, { minLength: 1, maxLength: 500, size: "max" });
const kinds = fc.constantFrom(Float32Array, Float64Array);
const finite = (list: readonly number[]) => list.filter((value) => value > Number.NEGATIVE_INFINITY);

describe("PlacedScores", () => {
  it("runs the module of the sources that are there", () => {
    const folder = new URL("../../../../host/sampling/simd/", import.meta.url);
    const digest = createHash("sha256");
    for (const name of readdirSync(folder).sort()) {
      if (name.endsWith(".as")) digest.update(readFileSync(new URL(name, folder)));
    }
    expect(digest.digest("hex"), "run node scripts/generate-sampler.mjs").toBe(sourceDigest);
  });

  it("adds weights to the bit as one after the other with expNonPositive, whole and from anywhere", () => {
    fc.assert(
      fc.property(
        lists,
        kinds,
        fc.constantFrom(0.3, 0.8, 1),
        fc.nat(),
        fc.nat(),
        (list, kind, temperature, a, b) => {
          const weighting = { highest: 60, temperature };
          const placed = new PlacedScores(kind.from(list));
          const weights = list.map((value) => expNonPositive((value - 60) / temperature));
          const sums: number[] = [];
          let sum = 0;
          weights.forEach((weight, id) => {
            sum += weight;
            if (id % BLOCK === BLOCK - 1 || id === list.length - 1) sums.push(sum);
          });
          expect(placed.sum(weighting)).toBe(sum);
          expect([...placed.sums]).toEqual(sums);
          const [from, to] = [a % list.length, b % (list.length + 1)].sort((x, y) => x - y) as [
            number,
            number,
          ];
          const part = weights.slice(from, to).reduce((all, weight) => all + weight, 0.25);
          expect(placed.addWeights(0.25, from, to, weighting)).toBe(part);
        },
      ),
      { numRuns: 400 },
    );
  });

  it("deals ids out by score, with the weights of each bucket in the order of ids", () => {
    fc.assert(
      fc.property(
        lists,
        kinds,
        fc.constantFrom(0.8, 20),
        fc.constantFrom(0, 1e-3),
        (list, kind, temperature, least) => {
          fc.pre(new Set(finite(list)).size > 1);
          const top = Math.max(...list);
          const placed = new PlacedScores(kind.from(list));
          const lowest = Math.min(...finite(list));
          expect(placed.lowest()).toBeCloseTo(lowest, 12);
          const perScore = (BUCKETS - 1) / (top - lowest);
          const likely = placed.deal({ highest: top, temperature }, { top, perScore, least });
          const masses = new Array(BUCKETS).fill(0);
          const members: number[][] = masses.map(() => []);
          let expected = 0;
          let part = 0;
          list.forEach((value, id) => {
            const weight = expNonPositive((value - top) / temperature);
            if (id % BLOCK === 0) {
              expected += part;
              part = 0;
            }
            if (weight === 0) return;
            const bucket = Math.trunc((top - value) * perScore);
            masses[bucket] += weight;
            members[bucket]!.push(id);
            if (weight >= least) part += weight;
          });
          expect([...placed.masses]).toEqual(masses);
          expect(likely).toBe(expected + part);
          expect([...placed.dealtIds()]).toEqual(members.flat().sort((x, y) => x - y));
          for (const bucket of [0, 1, 500, BUCKETS - 1]) {
            expect([...placed.idsIn(bucket)]).toEqual(members[bucket]);
          }
        },
      ),
      { numRuns: 400 },
    );
  });

  it("keeps both types of scores, and those that others were taken of, whatever their number", () => {
    const narrow = new PlacedScores(Float32Array.from({ length: 300 }, (_, id) => id));
    const wide = new PlacedScores(Float64Array.from({ length: 200 }, (_, id) => -id));
    const some = narrow.among(Uint32Array.of(7, 100, 20));
    const fewer = some.among(Uint32Array.of(0, 2));
    expect([narrow, wide, some, fewer].map((placed) => placed.best())).toEqual([299, 0, 1, 1]);
    expect([narrow, wide, some, fewer].map((placed) => [...placed.select(2)])).toEqual([
      [299, 298],
      [0, 1],
      [1, 2],
      [1, 0],
    ]);
    // The module's memory grows.
    const many = new PlacedScores(new Float32Array(500_000).fill(1));
    expect(many.best()).toBe(0);
    expect(many.sum({ highest: 1, temperature: 1 })).toBe(500_000);
    expect([...many.select(3)]).toEqual([0, 1, 2]);
  });
});
