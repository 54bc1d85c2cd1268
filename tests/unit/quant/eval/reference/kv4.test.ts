import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fromFloat16 } from "../../../../../quant/eval/reference/float16.ts";
import { kv4 } from "../../../../../quant/eval/reference/kv4.ts";

const vectors = fc
  .array(fc.float({ min: -100, max: 100, noNaN: true }), { minLength: 2, maxLength: 64 })
  .map((v) => Float32Array.from(v));

describe("kv4", () => {
  test("every element is within half a step and what float16 loses", () => {
    fc.assert(
      fc.property(vectors, (w) => {
        const { codes, scale16, min16, finite } = kv4(w);
        const [scale, min] = [fromFloat16(scale16), fromFloat16(min16)];
        const largest = Math.max(...w.map(Math.abs));
        const lost = largest * 2 ** -11 * 2 + 16 * 2 ** -25;
        expect(finite).toBe(true);
        w.forEach((x, i) => {
          expect(Math.abs(codes[i]! * scale + min - x)).toBeLessThanOrEqual(scale / 2 + lost);
        });
      }),
    );
  });

  test("sixteen equal steps are exact", () => {
    const w = Float32Array.from({ length: 16 }, (_, i) => -3 + 0.25 * i);
    const { codes, scale16, min16 } = kv4(w);
    expect([...codes]).toEqual([...w.keys()]);
    expect([fromFloat16(scale16), fromFloat16(min16)]).toEqual([0.25, -3]);
  });

  test("half a step goes to the even code", () => {
    expect([...kv4(Float32Array.of(0, 15, 0.5, 1.5, 2.5, 14.5)).codes]).toEqual([0, 15, 0, 2, 2, 14]);
  });

  test("a constant vector has scale 0 and its value as minimum", () => {
    expect(kv4(Float32Array.of(1.5, 1.5))).toMatchObject({ scale16: 0, min16: 0x3e00 });
    expect([...kv4(Float32Array.of(1.5, 1.5)).codes]).toEqual([0, 0]);
  });

  test("negative zero, and what rounds to it, is stored as zero", () => {
    expect(kv4(Float32Array.of(-0, 1)).min16).toBe(0);
    expect(kv4(Float32Array.of(-1e-9, 1)).min16).toBe(0);
    expect(kv4(Float32Array.of(-0, -0))).toMatchObject({ scale16: 0, min16: 0 });
  });

  test("there is no threshold for small vectors: float16's subnormals serve as scale", () => {
    expect(kv4(Float32Array.of(0, 15 * 2 ** -24))).toMatchObject({ scale16: 1 });
    expect([...kv4(Float32Array.of(0, 15 * 2 ** -24)).codes]).toEqual([0, 15]);
  });

  test("beyond float16 the scale saturates and codes stay in range", () => {
    const huge = kv4(Float32Array.of(-3e38, 3e38, 0));
    expect(huge).toMatchObject({ scale16: 0x7bff, min16: 0xfbff, finite: true });
    expect([...huge.codes]).toEqual([0, 15, 1]);
  });

  test("a NaN or an infinity zeroes all of it", () => {
    for (const bad of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY]) {
      const { codes, ...rest } = kv4(Float32Array.of(1, bad, 2));
      expect(rest).toEqual({ scale16: 0, min16: 0, finite: false });
      expect([...codes]).toEqual([0, 0, 0]);
    }
  });
});
