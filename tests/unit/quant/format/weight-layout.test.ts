import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  codeBeat,
  exponentBeat,
  matrixLayout,
  scaleBeat,
  storedBitsPerWeight,
  tileBeat,
  type WeightFormat,
  weightFormats,
} from "../../../../quant/format/weight-layout.ts";

const formats = Object.keys(weightFormats) as WeightFormat[];

describe("matrixLayout", () => {
  test("a 2:4 matrix of 256 x 256 in one channel: 64 tiles of 4 beats and 4 beats of exponents", () => {
    expect(matrixLayout("w2s24", 256, 256, 1)).toMatchObject({
      groups: 4,
      tiles: 64,
      tileBeats: 4,
      beats: 260,
    });
  });

  test("a dense matrix pays a beat of scales for every six groups begun", () => {
    expect(matrixLayout("w2", 4, 6 * 64, 1).tileBeats).toBe(6 + 1);
    expect(matrixLayout("w2", 4, 6 * 64 + 1, 1).tileBeats).toBe(7 + 2);
    expect(matrixLayout("w4", 4, 7 * 64, 1).tileBeats).toBe(14 + 2);
    expect(matrixLayout("w8", 4, 13 * 64, 1).tileBeats).toBe(52 + 3);
  });

  test("every channel has the tiles of the fullest one", () => {
    expect(matrixLayout("w2s24", 105, 64, 28)).toMatchObject({ tiles: 1, beats: 2 });
    expect(matrixLayout("w2s24", 113, 64, 28)).toMatchObject({ tiles: 2, beats: 3 });
  });

  test("2:4 stores two bits a weight, exponents beside", () => {
    expect(storedBitsPerWeight(matrixLayout("w2s24", 4096, 4096, 1))).toBeCloseTo(2 * (1 + 1 / 1024), 10);
    expect(storedBitsPerWeight(matrixLayout("w2", 4096, 6 * 64 * 10, 1))).toBeCloseTo(2 * (7 / 6), 2);
  });

  test("beats of a channel are each used once, none left over", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...formats),
        fc.integer({ min: 1, max: 300 }),
        fc.integer({ min: 1, max: 900 }),
        fc.integer({ min: 1, max: 5 }),
        (format, rows, columns, channels) => {
          const layout = matrixLayout(format, rows, columns, channels);
          const { planes, sparse } = weightFormats[format];
          const used = new Set<number>();
          const take = (beat: number): void => {
            expect(used.has(beat)).toBe(false);
            used.add(beat);
          };
          for (let tile = 0; tile < layout.tiles; tile++) {
            if (tile % 16 === 0) take(exponentBeat(layout, tile));
            for (let g = 0; g < layout.groups; g++) {
              if (!sparse && g % 6 === 0) take(tileBeat(layout, tile) + scaleBeat(layout, g));
              for (let p = 0; p < planes; p++) take(tileBeat(layout, tile) + codeBeat(layout, g, p));
            }
          }
          expect(used.size).toBe(layout.beats);
          expect(Math.max(...used)).toBe(layout.beats - 1);
        },
      ),
      { numRuns: 60 },
    );
  });
});
