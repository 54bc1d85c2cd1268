import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bitsOf, exponent, powerOfTwo, rne } from "../../../../../quant/eval/reference/fround.ts";

describe("rne", () => {
  test("ties go to the even neighbour", () => {
    const ties = [-2.5, -1.5, -0.5, 0.5, 1.5, 2.5, 3.5];
    expect(ties.map(rne).map((x) => x + 0)).toEqual([-2, -2, 0, 0, 2, 2, 4]);
    expect(rne(Number.POSITIVE_INFINITY)).toBe(Number.POSITIVE_INFINITY);
    expect(rne(Number.NEGATIVE_INFINITY)).toBe(Number.NEGATIVE_INFINITY);
  });

  test("agrees with the rounding of a double addition", () => {
    const magic = 1.5 * 2 ** 52;
    fc.assert(
      fc.property(fc.float({ min: -(2 ** 30), max: 2 ** 30, noNaN: true }), (x) => {
        expect(rne(x) + 0).toBe(x + magic - magic);
      }),
    );
  });
});

test("powers of two are exact over the whole range", () => {
  let down = 1;
  let up = 1;
  for (let n = 0; n < 250; n++, up *= 2, down *= 0.5) {
    expect(powerOfTwo(n)).toBe(up);
    expect(powerOfTwo(-n)).toBe(down);
  }
});

test("exponent brackets the magnitude", () => {
  fc.assert(
    fc.property(fc.float({ min: Math.fround(2 ** -126), noNaN: true, noDefaultInfinity: true }), (x) => {
      const e = exponent(-x);
      expect(2 ** e <= x && x < 2 ** (e + 1)).toBe(true);
    }),
  );
  expect(exponent(1)).toBe(0);
  expect(exponent(0.75)).toBe(-1);
});

test("bitsOf gives IEEE-754 patterns", () => {
  expect([bitsOf(1), bitsOf(-2), bitsOf(-0), bitsOf(Number.POSITIVE_INFINITY)]).toEqual([
    0x3f800000, 0xc0000000, 0x80000000, 0x7f800000,
  ]);
});
