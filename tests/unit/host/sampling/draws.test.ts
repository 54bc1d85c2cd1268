import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { expNonPositive } from "../../../../host/sampling/exp.ts";
import { Xoshiro128 } from "../../../../host/sampling/prng.ts";
import { PlacedScores } from "../../../../host/sampling/simd/placed-scores.ts";

type Scores = Float32Array | Float64Array;

/** Scores that spread over a few steps of a weight, over many, past the last one, or on a grid of ties. */
const scores = fc
  .record({
    seed: fc.nat(),
    // Of one block of ids or of several, with ends inside a block and of odd length.
    length: fc.integer({ min: 1, max: 1000 }),
    spread: fc.constantFrom(1e-3, 1, 8, 60),
    grid: fc.constantFrom(0, 0.25),
    excluded: fc.constantFrom(0, 0.5),
    kind: fc.constantFrom(Float32Array, Float64Array),
  })
  .map(({ seed, length, spread, grid, excluded, kind }): Scores => {
    const random = new Xoshiro128(seed);
    const list = new kind(length).map(() => {
      const score = spread * random.nextDouble() - 3;
      if (random.nextDouble() < excluded) return Number.NEGATIVE_INFINITY;
      return grid > 0 ? Math.round(score / grid) * grid : score;
    });
    list[seed % length] = spread - 3;
    return list;
  });
const temperatures = fc.constantFrom(0.8, 1, 30);

/** Ids by rank. */
function ranking(list: Scores): number[] {
  return Array.from(list, (_, id) => id).sort((a, b) =>
    list[a] === list[b] ? a - b : list[b]! > list[a]! ? 1 : -1,
  );
}

/** What one after the other makes of ids: their weights, and the sum through each. */
function summed(list: Scores, ids: readonly number[], temperature: number) {
  const highest = list[ranking(list)[0]!]!;
  const weights = ids.map((id) => expNonPositive((list[id]! - highest) / temperature));
  let sum = 0;
  const sums = weights.map((weight) => (sum += weight));
  return { highest, weights, sums, total: sum };
}

const over = (sums: readonly number[], mass: number) => sums.findIndex((sum) => sum > mass);

/** A draw next to the end of a place's weight, or in its middle. */
function drawAt(
  sums: readonly number[],
  whole: number,
  { place, off }: { place: number; off: number },
): number {
  const at = place % sums.length;
  const before = sums[at - 1] ?? 0;
  const mass = Number.isNaN(off) ? (before + sums[at]!) / 2 : sums[at]! * (1 + off);
  return Math.min(Math.max(mass / whole, 0), 1 - 2 ** -53);
}
const places = fc.record({
  place: fc.nat(),
  off: fc.constantFrom(
    Number.NaN,
    0,
    2e-16,
    -2e-16,
    1e-9,
    -1e-9,
    1e-8,
    -1e-8,
    3e-8,
    -3e-8,
    1e-7,
    -1e-7,
    1e-6,
  ),
});

describe("PlacedScores", () => {
  it("draws by id what the exact sums say, or leaves it open", () => {
    fc.assert(
      fc.property(scores, temperatures, places, (list, temperature, wanted) => {
        const ids = Array.from(list, (_, id) => id);
        const { highest, sums, total } = summed(list, ids, temperature);
        const draw = drawAt(sums, total, wanted);
        const id = new PlacedScores(list).drawById({ highest, temperature }, draw);
        if (id !== undefined) expect(id).toBe(over(sums, draw * total));
      }),
      { numRuns: 1000 },
    );
  });

  it("draws by rank what the exact sums say, or leaves it open", () => {
    const shares = fc.constantFrom(0.01, 0.5, 0.9, 0.95, 0.999);
    fc.assert(
      fc.property(scores, temperatures, shares, places, (list, temperature, share, wanted) => {
        const ids = ranking(list);
        const { highest, sums, total } = summed(list, ids, temperature);
        const left = sums.slice(0, sums.findIndex((sum) => sum >= share * total) + 1);
        const whole = left.at(-1)!;
        const draw = drawAt(left, whole, wanted);
        const id = new PlacedScores(list).drawByRank({ highest, temperature }, share, draw);
        if (id !== undefined) expect(id).toBe(ids[over(left, draw * whole)]);
      }),
      { numRuns: 1000 },
    );
  });

  it("leaves nearly nothing open, and only what is next to the end of a weight", () => {
    const random = new Xoshiro128(1);
    for (const kind of [Float32Array, Float64Array]) {
      const list = new kind(20_000).map(() => 5 * random.nextDouble());
      const placed = new PlacedScores(list);
      const weighting = { highest: list[placed.best()]!, temperature: 0.9 };
      let open = 0;
      for (let n = 0; n < 200; n++) {
        if (placed.drawById(weighting, random.nextDouble()) === undefined) open++;
        if (placed.drawByRank(weighting, 0.95, random.nextDouble()) === undefined) open++;
      }
      expect(open).toBeLessThan(10);
      const equal = new PlacedScores(new kind(64));
      for (let id = 0; id < 64; id++) {
        const flat = { highest: 0, temperature: 1 };
        expect(equal.drawById(flat, (id + 0.5) / 64)).toBe(id);
        expect(equal.drawById(flat, id / 64 + 1e-9)).toBe(id === 0 ? 0 : undefined);
        // Half of them are left: top-p ends within the weight of the 33rd.
        if (id < 33) expect(equal.drawByRank(flat, 32.5 / 64, (id + 0.5) / 33)).toBe(id);
      }
      // Top-p ends where a weight does: what is left may be 32 or 33 ids.
      expect(equal.drawByRank({ highest: 0, temperature: 1 }, 0.5, 0.99)).toBeUndefined();
    }
  });

  it("leaves open what no finite number of steps a score tells", () => {
    const placed = new PlacedScores(Float32Array.of(1, Number.NEGATIVE_INFINITY));
    for (const temperature of [1e-308, Number.POSITIVE_INFINITY]) {
      expect(placed.drawById({ highest: 1, temperature }, 0.5)).toBeUndefined();
      expect(placed.drawByRank({ highest: 1, temperature }, 0.9, 0.5)).toBeUndefined();
    }
  });

  it("does not take ids without weight for what their step may weigh", () => {
    const list = new Float32Array(100_000).fill(Number.NEGATIVE_INFINITY);
    list[0] = 0;
    list[99_999] = 0;
    const placed = new PlacedScores(list);
    const weighting = { highest: 0, temperature: 1 };
    // In full 0 both times; together, the last step's ids seem to have a hundred thousandth of the best one's weight.
    expect(placed.drawById(weighting, 0.5 - 1e-6)).toBeUndefined();
    expect(placed.drawByRank(weighting, 0.5 - 1e-6, 0.9)).toBeUndefined();
    expect(placed.drawById(weighting, 0.49)).toBe(0);
    expect(placed.drawByRank(weighting, 0.49, 0.9)).toBe(0);
  });

  it("draws from the first ids as adding one weight after the other does, to the bit", () => {
    const filters = fc.record({
      topP: fc.constantFrom(0.1, 0.5, 0.95, 1),
      minP: fc.constantFrom(0, 1e-3, 0.3, 1),
    });
    fc.assert(
      fc.property(
        scores,
        temperatures,
        filters,
        places,
        fc.integer({ min: 1, max: 600 }),
        (list, temperature, { topP, minP }, wanted, count) => {
          const ids = ranking(list).slice(0, count);
          const { highest, weights, sums, total } = summed(list, ids, temperature);
          const enough = topP < 1 ? sums.findIndex((sum) => sum >= topP * total) : -1;
          const unlikely = weights.findIndex((weight) => weight < minP);
          const ends = [enough + 1, unlikely].filter((end) => end > 0);
          const mass = sums[Math.min(ids.length, ...ends) - 1]!;
          const draw = drawAt(sums, mass, wanted);
          const place = over(sums, draw * mass);
          const last = weights.filter((weight) => weight > 0).length - 1;
          const id = new PlacedScores(list).drawFirst(
            Uint32Array.from(ids),
            { highest, temperature },
            { topP, minP },
            draw,
          );
          expect(id).toBe(ids[place < 0 ? last : place]);
        },
      ),
      { numRuns: 500 },
    );
  });
});
