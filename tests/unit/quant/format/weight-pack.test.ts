import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type MatrixLayout,
  matrixLayout,
  tileBeat,
  type WeightFormat,
  weightFormats,
} from "../../../../quant/format/weight-layout.ts";
import {
  chunkRows,
  emptyRows,
  packRows,
  type QuantizedRows,
  unpackRows,
} from "../../../../quant/format/weight-pack.ts";
import { pageGroup } from "../page-layout.ts";

const formats = Object.keys(weightFormats) as WeightFormat[];
const pairs = [
  [0, 1],
  [0, 2],
  [0, 3],
  [1, 2],
  [1, 3],
  [2, 3],
];

function blank(layout: MatrixLayout): Uint8Array[] {
  return Array.from({ length: layout.channels }, () => new Uint8Array(layout.beats * 64));
}

/** Random rows; in 2:4 the codes at dropped positions are 0, so that a round trip can be compared as it is. */
function someRows(layout: MatrixLayout, next: (count: number) => number): QuantizedRows {
  const { bits, zeroShift, zeroCodes } = weightFormats[layout.format];
  const rows = emptyRows(layout, layout.rows);
  for (let i = 0; i < rows.codes.length; i++) rows.codes[i] = next(1 << bits);
  for (let i = 0; i < rows.scales.length; i++) {
    rows.scales[i] = next(0x10000);
    rows.zeroHalves[i] = next(zeroCodes) << zeroShift;
  }
  for (let i = 0; i < rows.rows; i++) rows.exponents[i] = next(97) - 56;
  rows.patterns?.forEach((_, quad, patterns) => {
    patterns[quad] = next(6);
    for (let i = 0; i < 4; i++) if (!pairs[patterns[quad]!]!.includes(i)) rows.codes[4 * quad + i] = 0;
  });
  return rows;
}

const matrices = fc
  .record({
    format: fc.constantFrom(...formats),
    rows: fc.integer({ min: 1, max: 150 }),
    columns: fc.integer({ min: 1, max: 500 }),
    channels: fc.integer({ min: 1, max: 4 }),
    seed: fc.integer({ min: 1, max: 0x7fffffff }),
  })
  .map(({ format, rows, columns, channels, seed }) => {
    const layout = matrixLayout(format, rows, columns, channels);
    let state = seed;
    const next = (count: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % count;
    };
    return { layout, rows: someRows(layout, next) };
  });

describe("packRows", () => {
  test("unpackRows gives back what was packed, whatever rows are asked for", () => {
    fc.assert(
      fc.property(matrices, fc.nat(), ({ layout, rows }, seed) => {
        const channels = blank(layout);
        packRows(layout, rows, 0, channels, 0);
        expect(unpackRows(layout, channels, 0, layout.rows)).toEqual(rows);
        const row = seed % layout.rows;
        const one = unpackRows(layout, channels, row, 1);
        const perRow = layout.groups * 64;
        expect(one.codes).toEqual(rows.codes.subarray(row * perRow, (row + 1) * perRow));
        expect(one.exponents[0]).toBe(rows.exponents[row]);
      }),
      { numRuns: 40 },
    );
  });

  test("every bit lies where the number contract says", () => {
    fc.assert(
      fc.property(matrices, fc.nat(), ({ layout, rows }, seed) => {
        const channels = blank(layout);
        packRows(layout, rows, 0, channels, 0);
        for (let n = 0; n < 8; n++) {
          const row = (seed + 37 * n) % layout.rows;
          const group = (seed + n) % layout.groups;
          const at = row * layout.groups + group;
          const page = pageGroup(layout, channels, row, group);
          expect(page.exponent).toBe(rows.exponents[row]);
          expect(page.scale).toBe(rows.scales[at]);
          expect(page.zeroHalf).toBe(rows.zeroHalves[at]);
          page.codes.forEach((code, i) => {
            const kept = rows.patterns
              ? pairs[rows.patterns[at * 16 + Math.floor(i / 4)]!]!.includes(i % 4)
              : true;
            expect(code).toBe(kept ? rows.codes[at * 64 + i] : undefined);
          });
        }
      }),
      { numRuns: 40 },
    );
  });

  test("chunks of chunkRows packed on their own give the same bytes", () => {
    for (const format of formats) {
      const layout = matrixLayout(format, 2 * chunkRows(2) + 7, 130, 2);
      let state = 7;
      const rows = someRows(layout, (count) => {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        return (state >> 8) % count;
      });
      const whole = blank(layout);
      packRows(layout, rows, 0, whole, 0);
      const beatsOfChunk = 16 * layout.tileBeats + 1;
      for (let first = 0, chunk = 0; first < layout.rows; first += chunkRows(2), chunk++) {
        const count = Math.min(chunkRows(2), layout.rows - first);
        const part = {
          ...rows,
          rows: count,
          codes: rows.codes.subarray(first * layout.groups * 64, (first + count) * layout.groups * 64),
          patterns: rows.patterns?.subarray(first * layout.groups * 16),
          scales: rows.scales.subarray(first * layout.groups),
          zeroHalves: rows.zeroHalves.subarray(first * layout.groups),
          exponents: rows.exponents.subarray(first),
        };
        const beats = Math.min(beatsOfChunk, layout.beats - chunk * beatsOfChunk);
        const bytes = whole.map(() => new Uint8Array(beats * 64));
        packRows(layout, part, first, bytes, chunk * beatsOfChunk);
        bytes.forEach((channel, c) => {
          const from = chunk * beatsOfChunk * 64;
          expect(channel).toEqual(whole[c]!.subarray(from, from + channel.length));
        });
      }
    }
  });

  test("a 2:4 unit by hand", () => {
    const layout = matrixLayout("w2s24", 1, 64, 1);
    const rows = emptyRows(layout, 1);
    rows.patterns!.fill(5);
    rows.patterns![0] = 1;
    rows.codes.set([3, 0, 2, 0]);
    rows.scales[0] = 0xbeef;
    rows.zeroHalves[0] = 3;
    rows.exponents[0] = -20;
    const channels = blank(layout);
    packRows(layout, rows, 0, channels, 0);
    const unit = channels[0]!.subarray(tileBeat(layout, 0) * 64);
    expect(unit[0]).toBe(0b1011);
    // Positions (0,2), (2,3), (2,3) = 1 + 6 * 5 + 36 * 5 in the first byte, 5 + 30 + 180 in the next four.
    expect([...unit.subarray(8, 13)]).toEqual([211, 215, 215, 215, 215]);
    expect(unit[13]).toBe(5 + (3 << 4));
    expect([unit[14], unit[15]]).toEqual([0xef, 0xbe]);
    expect(channels[0]![0]).toBe(256 - 20);
  });
});
