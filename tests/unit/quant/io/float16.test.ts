import { describe, expect, it } from "vitest";
import { float16ToNumber, widenBfloat16, widenFloat16 } from "../../../../quant/io/float16.ts";

describe("float16ToNumber", () => {
  // IEEE 754-2019, table of binary16.
  it.each([
    [0x0000, 0],
    [0x8000, -0],
    [0x0001, 2 ** -24],
    [0x03ff, 2 ** -14 - 2 ** -24],
    [0x0400, 2 ** -14],
    [0x3555, 0.333251953125],
    [0x3c00, 1],
    [0x3c01, 1 + 2 ** -10],
    [0xc000, -2],
    [0x7bff, 65504],
    [0x7c00, Number.POSITIVE_INFINITY],
    [0xfc00, Number.NEGATIVE_INFINITY],
    [0x7e00, Number.NaN],
  ])("%i", (bits, value) => {
    expect(float16ToNumber(bits)).toBe(value);
  });

  it("grows with its bits and mirrors with the sign", () => {
    for (let bits = 1; bits <= 0x7c00; bits++) {
      expect(float16ToNumber(bits)).toBeGreaterThan(float16ToNumber(bits - 1));
      expect(float16ToNumber(bits | 0x8000)).toBe(-float16ToNumber(bits));
    }
  });
});

it("widens arrays, also at an offset of the result", () => {
  const out = new Float32Array(4);
  widenFloat16(Uint16Array.of(0x3c00, 0xc000), out.subarray(1));
  expect([...out]).toEqual([0, 1, -2, 0]);
  widenBfloat16(Uint16Array.of(0x3f80, 0xc040), out.subarray(2));
  expect([...out]).toEqual([0, 1, 1, -3]);
});
