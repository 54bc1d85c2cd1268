import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exp24 } from "../../../../../quant/eval/reference/exp24.ts";

const two = (n: number): bigint => 1n << BigInt(n);

/** floor(sqrt(x)) of a non-negative integer. */
function root(x: bigint): bigint {
  if (x < 2n) return x;
  let guess = 1n << BigInt(Math.ceil(x.toString(2).length / 2));
  for (;;) {
    const next = (guess + x / guess) / 2n;
    if (next >= guess) return guess;
    guess = next;
  }
}

/** round(2^(i/256) * 2^26) by eight square roots in 200-bit integers: 2^(i/256) = sqrt(sqrt(... 2^i)). */
function tableEntry(i: number): bigint {
  let value = two(i) << 400n;
  let fraction = 400;
  for (let n = 0; n < 8; n++) {
    value = root(value << BigInt(fraction));
  }
  fraction -= 27;
  return ((value >> BigInt(fraction)) + 1n) >> 1n;
}
const table = Array.from({ length: 256 }, (_, i) => tableEntry(i));

/** The page's integer steps in BigInt. */
function integerExp24(x: number): number {
  const t = Math.fround(x * new Float32Array(Uint32Array.of(0x3fb8aa3b).buffer)[0]!);
  if (!(t > -25)) return 0;
  const scaled = t * 2 ** 20;
  let T = BigInt(Math.trunc(scaled));
  const rest = Math.abs(scaled - Math.trunc(scaled));
  if (rest > 0.5 || (rest === 0.5 && T % 2n !== 0n)) T -= 1n;
  const n = T >> 20n;
  const f = T - (n << 20n);
  const z = ((f % 4096n) * 45426n + 512n) >> 10n;
  const l = z + ((z * z + two(26)) >> 27n);
  const E = table[Number(f / 4096n)]!;
  const Y = E + ((E * l + two(25)) >> 26n);
  return Number((Y + two(Number(1n - n))) >> (2n - n));
}

const exponents = fc.float({ min: -20, max: 0, noNaN: true });

describe("exp24", () => {
  test("is 2^24 e^x to 2e-6, rounded to an integer", () => {
    const check = (x: number): void => {
      const exact = 2 ** 24 * Math.exp(x);
      expect(Math.abs(exp24(x) - exact)).toBeLessThanOrEqual(0.5 + 2e-6 * exact);
    };
    for (let x = 0; x >= -18; x -= 0.00390625 / 8) check(Math.fround(x));
    fc.assert(fc.property(exponents, check), { numRuns: 5000 });
  });

  test("equals the page's integer steps in BigInt", () => {
    fc.assert(
      fc.property(exponents, (x) => {
        expect(exp24(x)).toBe(integerExp24(x));
      }),
      { numRuns: 5000 },
    );
    for (let i = 0; i < 4096; i++) {
      const x = Math.fround(-i / 241);
      expect(exp24(x)).toBe(integerExp24(x));
    }
  });

  test("the ends", () => {
    expect([exp24(0), exp24(-0)]).toEqual([2 ** 24, 2 ** 24]);
    expect(exp24(Math.fround(-Math.LN2))).toBe(2 ** 23);
    expect(exp24(-17.4)).toBe(0);
    expect([exp24(-1e30), exp24(Number.NEGATIVE_INFINITY), exp24(Number.NaN)]).toEqual([0, 0, 0]);
  });

  test("never rises as x falls", () => {
    fc.assert(
      fc.property(exponents, exponents, (a, b) => {
        expect(exp24(Math.min(a, b))).toBeLessThanOrEqual(exp24(Math.max(a, b)));
      }),
      { numRuns: 2000 },
    );
  });
});
