import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { distanceTable, rope, rotationAt } from "../../../../../quant/eval/reference/rope.ts";
import { ropeFrequencies } from "../../../../../quant/format/rope.ts";

const frequencies = ropeFrequencies({ headDim: 8, ropeTheta: 10000, ropeScaling: null });
const heads = fc
  .array(fc.float({ min: -10, max: 10, noNaN: true }), { minLength: 8, maxLength: 8 })
  .map((v) => Float32Array.from(v));

describe("rope", () => {
  test("turns the complex number (v_i, v_(i + D/2)) by its angle", () => {
    fc.assert(
      fc.property(heads, fc.nat(5_000_000), (v, position) => {
        const out = rope(v, rotationAt(position, frequencies));
        for (let i = 0; i < 4; i++) {
          const angle = Math.atan2(v[i + 4]!, v[i]!) + position * 10000 ** (-i / 4);
          const size = Math.hypot(v[i]!, v[i + 4]!);
          expect(out[i]).toBeCloseTo(size * Math.cos(angle), 5);
          expect(out[i + 4]).toBeCloseTo(size * Math.sin(angle), 5);
        }
      }),
    );
  });

  test("position 0 changes nothing", () => {
    const v = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8);
    expect(rope(v, rotationAt(0, frequencies))).toEqual(v);
  });

  test("scores depend on the distance only, four million positions out", () => {
    fc.assert(
      fc.property(heads, heads, fc.nat(2000), (q, k, distance) => {
        const dot = (a: Float32Array, b: Float32Array): number => a.reduce((s, x, i) => s + x * b[i]!, 0);
        const at = (query: number): number =>
          dot(rope(q, rotationAt(query, frequencies)), rope(k, rotationAt(query - distance, frequencies)));
        const size = 1e-6 * (1 + Math.sqrt(dot(q, q) * dot(k, k)));
        expect(Math.abs(at(4_194_304 + distance) - at(distance))).toBeLessThan(size);
      }),
    );
  });
});

test("the distance table holds cos and sin to half a step", () => {
  const { cos, sin } = distanceTable(300, frequencies);
  expect(cos).toHaveLength(1200);
  expect([cos[0], sin[0]]).toEqual([32767, 0]);
  for (let d = 0; d < 300; d++) {
    for (let i = 0; i < 4; i++) {
      const angle = d * 10000 ** (-i / 4);
      expect(Math.abs(cos[d * 4 + i]! - 32767 * Math.cos(angle))).toBeLessThanOrEqual(0.5 + 1e-6);
      expect(Math.abs(sin[d * 4 + i]! - 32767 * Math.sin(angle))).toBeLessThanOrEqual(0.5 + 1e-6);
    }
  }
});
