import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { firstIds } from "../../../../host/sampling/ranking.ts";
import { PlacedScores } from "../../../../host/sampling/simd/placed-scores.ts";

/** Of one block of ids or of many, with ends of both inside a block. */
const scores = fc.oneof(
  // Few distinct values make many ties.
  fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 400 }),
  fc.array(fc.float({ noNaN: true, max: 1e6 }), { minLength: 1, maxLength: 3000, size: "max" }),
);

function sortedIds(values: ArrayLike<number>): number[] {
  return Array.from(values, (_, id) => id).sort((a, b) =>
    values[a] === values[b] ? a - b : values[b]! > values[a]! ? 1 : -1,
  );
}

describe("firstIds", () => {
  it("finds the best id and any front of the full sort, ties by ascending id, whatever it held before", () => {
    fc.assert(
      fc.property(scores, fc.array(fc.nat(1200), { maxLength: 4 }), fc.boolean(), (list, counts, narrow) => {
        fc.pre(list.some((score) => score > Number.NEGATIVE_INFINITY));
        const values = (narrow ? Float32Array : Float64Array).from(list);
        const expected = sortedIds(values);
        const placed = new PlacedScores(values);
        expect(placed.best()).toBe(expected[0]);
        for (const count of counts) expect([...firstIds(placed, count)]).toEqual(expected.slice(0, count));
      }),
    );
  });

  it("selects 40 of a vocabulary of 128,000 with constant, rising and falling scores", () => {
    const size = 128_000;
    const shapes = [() => 1, (id: number) => id, (id: number) => -id];
    const expected = [(i: number) => i, (i: number) => size - 1 - i, (i: number) => i];
    shapes.forEach((shape, s) => {
      for (const kind of [Float32Array, Float64Array]) {
        const placed = new PlacedScores(kind.from(Array.from({ length: size }, (_, id) => shape(id))));
        expect([...firstIds(placed, 40)]).toEqual(Array.from({ length: 40 }, (_, i) => expected[s]!(i)));
      }
    });
  });

  it.each([
    ["NaN", [1, Number.NaN, 3]],
    ["NaN in front", [Number.NaN, 1]],
    ["Infinity", [1, Number.POSITIVE_INFINITY]],
    ["nothing finite", [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY]],
  ])("finds no best id where there is %s", (_, list) => {
    for (const kind of [Float32Array, Float64Array]) {
      for (const [before, after] of [
        [0, 0],
        [127, 0],
        [128, 9],
        [500, 300],
      ]) {
        const excluded = (count = 0) => new Array(count).fill(Number.NEGATIVE_INFINITY);
        const values = kind.from([...excluded(before), ...list, ...excluded(after)]);
        expect(new PlacedScores(values).best()).toBe(-1);
      }
    }
  });
});
