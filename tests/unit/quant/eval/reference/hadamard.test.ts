import fc from "fast-check";
import { expect, test } from "vitest";
import { hadamard, hadamardBlock } from "../../../../../quant/eval/reference/hadamard.ts";

/** Sylvester's matrix: -1 where i and j share an odd number of bits. */
function sign(i: number, j: number): number {
  return (i & j).toString(2).replaceAll("0", "").length % 2 === 0 ? 1 : -1;
}

test("the block is the largest power of two in the size", () => {
  expect([2, 6, 8, 10, 12, 24, 64, 80, 7].map(hadamardBlock)).toEqual([2, 2, 8, 2, 4, 8, 64, 16, 1]);
});

test("multiplies each block by Sylvester's matrix", () => {
  const sized = fc
    .constantFrom(2, 4, 6, 8, 10, 12, 24, 64, 96)
    .chain((D) => fc.array(fc.integer({ min: -1000, max: 1000 }), { minLength: D, maxLength: D }));
  fc.assert(
    fc.property(sized, (values) => {
      const h = hadamardBlock(values.length);
      const product = values.map((_, i) => {
        const block = Math.floor(i / h) * h;
        return values.slice(block, block + h).reduce((sum, v, j) => sum + sign(i % h, j) * v, 0);
      });
      const out = hadamard(Float32Array.from(values), h);
      expect(Array.from(out, (x) => x + 0)).toEqual(product.map((x) => x + 0));
    }),
  );
});

test("rounds after every butterfly, from the nearest pairs to the farthest", () => {
  // 1 is lost when it meets 2^25 first, and survives where 2^25 cancels before they meet.
  expect([...hadamard(Float32Array.of(2 ** 25, 1, -(2 ** 25), 0), 4)][0]).toBe(0);
  expect([...hadamard(Float32Array.of(2 ** 25, -(2 ** 25), 1, 0), 4)][0]).toBe(1);
});

test("block 1 changes nothing", () => {
  expect([...hadamard(Float32Array.of(1, 2, 3), 1)]).toEqual([1, 2, 3]);
});
