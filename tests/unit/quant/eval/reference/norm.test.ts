import fc from "fast-check";
import { expect, test } from "vitest";
import { rmsNorm } from "../../../../../quant/eval/reference/norm.ts";
import { Random } from "../../../../../quant/eval/reference/random.ts";

const float = fc.float({ min: -100, max: 100, noNaN: true });
const pairs = fc
  .array(fc.tuple(float, float), { minLength: 1, maxLength: 200 })
  .map((list) => ({ x: Float32Array.from(list, ([a]) => a), gain: Float32Array.from(list, ([, b]) => b) }));

test("is RMSNorm", () => {
  fc.assert(
    fc.property(pairs, ({ x, gain }) => {
      const mean = x.reduce((sum, v) => sum + v * v, 0) / x.length;
      const h = rmsNorm(x, gain, 1e-5);
      x.forEach((v, i) => {
        const exact = (v / Math.sqrt(mean + 1e-5)) * gain[i]!;
        expect(Math.abs(h[i]! - exact)).toBeLessThanOrEqual(4e-6 * Math.abs(exact) + 1e-37);
      });
    }),
  );
});

test("adds squares in sixteen lanes and a tree, bit for bit", () => {
  const f = Math.fround;
  const tree = (sums: number[]): number =>
    sums.length === 1
      ? sums[0]!
      : tree(sums.slice(0, sums.length / 2).map((s, l) => f(s + sums[l + sums.length / 2]!)));
  // Numbers of one size, so that every rounding of the sum has a chance to show.
  for (let seed = 0; seed < 200; seed++) {
    const random = new Random(seed);
    const x = Float32Array.from({ length: 100 + seed }, () => random.normal());
    const gain = x.map(() => random.normal());
    const lanes = Array.from({ length: 16 }, (_, l) =>
      x.filter((_, i) => i % 16 === l).reduce((sum, v) => f(sum + f(v * v)), 0),
    );
    const r = f(1 / f(Math.sqrt(f(f(tree(lanes) / x.length) + f(1e-5)))));
    expect(rmsNorm(x, gain, 1e-5)).toEqual(x.map((v, i) => f(f(v * r) * gain[i]!)));
  }
});

test("a large square swallows small ones of its own lane only", () => {
  const x = new Float32Array(32).fill(2 ** -13);
  x[0] = 1;
  const gain = new Float32Array(32).fill(1);
  const without = (first: number, last: number): number | undefined =>
    rmsNorm(x.slice().fill(0, first, last), gain, 0)[0];
  expect(without(16, 17)).toBe(rmsNorm(x, gain, 0)[0]);
  expect(without(1, 32)).not.toBe(rmsNorm(x, gain, 0)[0]);
});
