import { describe, expect, it } from "vitest";
import { randomSeed, Xoshiro128 } from "../../../../host/sampling/prng.ts";

describe("Xoshiro128", () => {
  // From the authors' C sources of xoshiro128** 1.1 and SplitMix64, compiled with gcc.
  it.each([
    [0, [3737715805, 2584255861, 2876756834, 3286328325, 1553311962, 1625202774]],
    [42, [1776835114, 4165204688, 17111135, 2317295270, 2792088233, 2554630222]],
    [2 ** 53 - 1, [1233166643, 1287031142, 661813442, 2960669951, 2601079046, 1036114921]],
  ])("seed %i gives the sequence of the reference implementation", (seed, expected) => {
    const random = new Xoshiro128(seed);
    expect(expected.map(() => random.nextUint32())).toEqual(expected);
  });

  it("fills a double with the upper 27 and the upper 26 bits of two outputs", () => {
    const [high, low] = [1776835114n, 4165204688n];
    const expected = Number(((high >> 5n) << 26n) | (low >> 6n)) / 2 ** 53;
    expect(new Xoshiro128(42).nextDouble()).toBe(expected);
  });

  it.each([-1, 0.5, 2 ** 53, Number.NaN])("refuses the seed %d", (seed) => {
    expect(() => new Xoshiro128(seed)).toThrow(RangeError);
  });

  it("chooses usable seeds", () => {
    for (let i = 0; i < 100; i++) expect(() => new Xoshiro128(randomSeed())).not.toThrow();
  });
});
