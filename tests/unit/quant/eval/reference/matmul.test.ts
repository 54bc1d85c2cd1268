import { describe, expect, test } from "vitest";
import { matmul, referenceMatrix } from "../../../../../quant/eval/reference/matmul.ts";
import { Random } from "../../../../../quant/eval/reference/random.ts";
import { matrixLayout, type WeightFormat } from "../../../../../quant/format/weight-layout.ts";
import { pageGroup } from "../../page-layout.ts";

/** The float32 nearest to an integer, ties to even, by integer arithmetic. */
function nearestFloat32(value: bigint): number {
  const magnitude = value < 0n ? -value : value;
  const drop = BigInt(Math.max(0, magnitude.toString(2).length - 24));
  const kept = magnitude >> drop;
  const rest = magnitude - (kept << drop);
  const half = drop === 0n ? 1n : 1n << (drop - 1n);
  const up = rest > half || (rest === half && kept % 2n === 1n);
  const rounded = Number((kept + (up ? 1n : 0n)) << drop);
  return value < 0n ? -rounded : rounded;
}

/** The page's sum, in BigInt, over weights decoded by the page's sentences. */
function pageSum(
  shape: Parameters<typeof pageGroup>[0],
  channels: readonly Uint8Array[],
  row: number,
  codes: Int8Array,
): { acc: bigint; exponent: number } {
  let acc = 0n;
  let exponent = 0;
  for (let g = 0; g < Math.ceil(shape.columns / 64); g++) {
    const group = pageGroup(shape, channels, row, g);
    exponent = group.exponent;
    let sum = 0n;
    group.codes.forEach((c, i) => {
      const a = BigInt(codes[g * 64 + i] ?? 0);
      if (c !== undefined) sum += BigInt(2 * c - group.zeroHalf) * a;
    });
    acc += BigInt(group.scale) * sum;
  }
  return { acc, exponent };
}

describe("matmul", () => {
  const formats: WeightFormat[] = ["w2s24", "w2", "w4", "w8"];

  test.each(formats)("%s: equals BigInt sums over random bytes, padding and all", (format) => {
    const random = new Random(formats.indexOf(format) + 1);
    for (let n = 0; n < 12; n++) {
      const layout = matrixLayout(
        format,
        random.between(1, 90),
        random.between(1, 460),
        random.between(1, 4),
      );
      const channels = Array.from({ length: layout.channels }, () => randomBytes(random, layout.beats * 64));
      const codes = Int8Array.from({ length: layout.columns }, () => random.between(-127, 127));
      const scale = Math.fround(random.normal() ** 2 + 1e-3);
      const y = matmul(referenceMatrix(layout, channels), codes, scale);
      expect(y).toHaveLength(layout.rows);
      y.forEach((value, row) => {
        const { acc, exponent } = pageSum(layout, channels, row, codes);
        const factor = Math.fround(scale * 2 ** (exponent - 1));
        expect(value).toBe(Math.fround(nearestFloat32(acc) * factor));
      });
    }
  });

  test("extremes of every field stay exact", () => {
    for (const format of formats) {
      const layout = matrixLayout(format, 4, 640, 1);
      const channels = [new Uint8Array(layout.beats * 64).fill(0xff)];
      if (format === "w2s24") legalPatterns(channels[0]!);
      for (const value of [127, -127]) {
        const codes = new Int8Array(640).fill(value);
        const y = matmul(referenceMatrix(layout, channels), codes, 1);
        const { acc, exponent } = pageSum(layout, channels, 3, codes);
        expect(exponent).toBe(-1);
        expect(y[3]).toBe(nearestFloat32(acc) / 4);
      }
    }
  });

  test("a tie of the sum's rounding goes to even", () => {
    expect([nearestFloat32(2n ** 24n + 1n), nearestFloat32(2n ** 24n + 3n)]).toEqual([2 ** 24, 2 ** 24 + 4]);
  });
});

/** Random bytes whose exponents stay where a float32 result is finite and whose 2:4 positions are legal. */
function randomBytes(random: Random, count: number): Uint8Array {
  const bytes = Uint8Array.from({ length: count }, () => random.below(256));
  legalPatterns(bytes);
  return bytes;
}

function legalPatterns(bytes: Uint8Array): void {
  for (let unit = 0; unit < bytes.length; unit += 16) {
    for (let i = 8; i < 13; i++) bytes[unit + i]! %= 216;
    if ((bytes[unit + 13]! & 7) > 5) bytes[unit + 13]! &= 0xfd;
  }
}
