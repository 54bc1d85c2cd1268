import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { toFloat16 } from "../../../../quant/eval/reference/float16.ts";
import { floatsToFloat16, toFloat16Bits } from "../../../../quant/format/float16.ts";
import { float16ToNumber } from "../../../../quant/io/float16.ts";

describe("toFloat16Bits", () => {
  it("gives every float16 back", () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      if ((bits & 0x7c00) === 0x7c00 && (bits & 0x3ff) !== 0) continue;
      expect(toFloat16Bits(float16ToNumber(bits))).toBe(bits);
    }
  });

  it("rounds the middle between two neighbours to the even one, and what is beside it to the nearer", () => {
    for (let bits = 0; bits < 0x7bff; bits++) {
      const low = float16ToNumber(bits);
      const gap = float16ToNumber(bits + 1) - low;
      expect(toFloat16Bits(low + gap / 2)).toBe(bits % 2 === 0 ? bits : bits + 1);
      expect(toFloat16Bits(low + gap * (0.5 - 2 ** -8))).toBe(bits);
      expect(toFloat16Bits(low + gap * (0.5 + 2 ** -8))).toBe(bits + 1);
    }
  });

  it("agrees with the reference wherever that does not saturate", () => {
    fc.assert(
      fc.property(fc.float({ min: -65504, max: 65504, noNaN: true }), (x) => {
        expect(toFloat16Bits(x)).toBe(toFloat16(x));
      }),
      { numRuns: 5000 },
    );
  });

  it("makes infinity from 65520 on, and a NaN of a NaN", () => {
    expect(toFloat16Bits(65519.996)).toBe(0x7bff);
    expect(toFloat16Bits(65520)).toBe(0x7c00);
    expect(toFloat16Bits(-1e30)).toBe(0xfc00);
    expect(toFloat16Bits(Number.NaN) & 0x7fff).toBeGreaterThan(0x7c00);
  });
});

describe("floatsToFloat16", () => {
  it("names the first value that does not fit", () => {
    const out = new Uint16Array(4);
    expect(floatsToFloat16(Float32Array.of(1, -2, 0.5), out)).toBe(-1);
    expect([...out]).toEqual([0x3c00, 0xc000, 0x3800, 0]);
    expect(floatsToFloat16(Float32Array.of(1, 70000, Number.NaN), out)).toBe(1);
  });
});
