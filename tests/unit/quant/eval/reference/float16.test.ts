import { describe, expect, test } from "vitest";
import { fromFloat16, toFloat16 } from "../../../../../quant/eval/reference/float16.ts";

const finite = Array.from({ length: 0x7c00 }, (_, bits) => bits);

/** The next float32 towards infinity (or, with -1, towards zero) of a positive number. */
function neighbour(x: number, steps: number): number {
  const number = Float32Array.of(x);
  new Uint32Array(number.buffer)[0]! += steps;
  return number[0]!;
}

describe("fromFloat16", () => {
  test("known numbers", () => {
    const known: [number, number][] = [
      [0x0000, 0],
      [0x3c00, 1],
      [0xc000, -2],
      [0x3555, 0.333251953125],
      [0x0001, 2 ** -24],
      [0x03ff, 1023 * 2 ** -24],
      [0x0400, 2 ** -14],
      [0x7bff, 65504],
      [0xfc00, Number.NEGATIVE_INFINITY],
      [0x7e00, Number.NaN],
    ];
    for (const [bits, value] of known) expect(fromFloat16(bits)).toBe(value);
    expect(Object.is(fromFloat16(0x8000), -0)).toBe(true);
  });

  test("patterns in order are numbers in order", () => {
    expect(finite.slice(1).filter((bits) => !(fromFloat16(bits) > fromFloat16(bits - 1)))).toEqual([]);
  });
});

describe("toFloat16", () => {
  test("every float16 comes back as it was, of either sign", () => {
    const signed = [...finite, ...finite.map((bits) => bits | 0x8000)];
    expect(signed.filter((bits) => toFloat16(fromFloat16(bits)) !== bits)).toEqual([]);
  });

  test("between two neighbours the nearer one, halfway the even one: all of them, subnormal too", () => {
    const wrong = finite.slice(1).filter((bits) => {
      const middle = Math.fround((fromFloat16(bits - 1) + fromFloat16(bits)) / 2);
      const even = toFloat16(middle) === (bits % 2 === 0 ? bits : bits - 1);
      const above = toFloat16(neighbour(middle, 1)) === bits;
      const below = toFloat16(-neighbour(middle, -1)) === ((bits - 1) | 0x8000);
      return !(even && above && below);
    });
    expect(wrong).toEqual([]);
  });

  test("what would become infinite is the largest number", () => {
    for (const x of [65505, 65519, 65520, 65536, 1e30, Number.POSITIVE_INFINITY]) {
      expect(toFloat16(Math.fround(x))).toBe(0x7bff);
      expect(toFloat16(-Math.fround(x))).toBe(0xfbff);
    }
  });
});
