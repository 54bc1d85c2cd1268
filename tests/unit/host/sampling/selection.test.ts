import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { argmax, RankedIds } from "../../../../host/sampling/selection.ts";

const scores = fc.oneof(
  // Few distinct values make many ties.
  fc.array(fc.integer({ min: -3, max: 3 }), { minLength: 1, maxLength: 400 }),
  fc.array(fc.double({ noNaN: true, max: 1e6 }), { minLength: 1, maxLength: 400 }),
);

function sortedIds(values: readonly number[]): number[] {
  return values
    .map((_, id) => id)
    .sort((a, b) => (values[a] === values[b] ? a - b : values[b]! > values[a]! ? 1 : -1));
}

describe("RankedIds", () => {
  it("gives any front of the full sort, ties by ascending id", () => {
    fc.assert(
      fc.property(scores, fc.array(fc.nat(500), { maxLength: 4 }), (values, counts) => {
        const ranked = new RankedIds(values);
        const expected = sortedIds(values);
        for (const count of counts) expect([...ranked.first(count)]).toEqual(expected.slice(0, count));
      }),
    );
  });

  it("selects 40 of a vocabulary of 128,000 with constant, rising and falling scores", () => {
    const size = 128_000;
    const shapes = [() => 1, (id: number) => id, (id: number) => -id];
    const expected = [(i: number) => i, (i: number) => size - 1 - i, (i: number) => i];
    shapes.forEach((shape, s) => {
      const ranked = new RankedIds(Float64Array.from({ length: size }, (_, id) => shape(id)));
      expect([...ranked.first(40)]).toEqual(Array.from({ length: 40 }, (_, i) => expected[s]!(i)));
    });
  });
});

describe("argmax", () => {
  it("is the first of the sorted ids", () => {
    fc.assert(
      fc.property(scores, (values) => {
        expect(argmax(values)).toBe(sortedIds(values)[0]);
      }),
    );
  });
});

describe("a whole vocabulary in order", () => {
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
        expect([...new RankedIds(array).first(array.length)]).toEqual(order(array));
      }),
      { numRuns: 50 },
    );
  });

  it("ends with what is excluded", () => {
    const scores = Float32Array.from({ length: 3000 }, (_, id) =>
      id % 3 === 0 ? Number.NEGATIVE_INFINITY : (id * 7919) % 1000,
    );
    const ids = new RankedIds(scores).first(3000);
    expect([...ids.subarray(2000)]).toEqual(Array.from({ length: 1000 }, (_, i) => 3 * i));
    expect(scores[ids[1999]!]).toBeGreaterThanOrEqual(0);
  });
});
