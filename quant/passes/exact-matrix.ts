import { groupSize } from "../format/limits.ts";
import { keepPatterns, matrixLayout, type WeightFormat, weightFormats } from "../format/weight-layout.ts";
import { emptyRows } from "../format/weight-pack.ts";
import type { GridMatrix } from "../native/native-model.ts";
import { isTwoOfFour } from "./prune.ts";
import { RowQuantizer } from "./quantize-rows.ts";

/**
 * The grids of a matrix whose weights all lie on grids of the format, else undefined. Scales keep their bits in
 * float32: an integer of 16 bits times a power of two.
 */
export function exactMatrix(
  weights: Float32Array,
  format: WeightFormat,
  rows: number,
  columns: number,
): GridMatrix | undefined {
  const layout = matrixLayout(format, rows, columns, 1);
  const quantizer = new RowQuantizer(layout);
  const out = emptyRows(layout, 1);
  const { groups } = layout;
  const matrix = {
    positions: new Float32Array(rows * columns),
    scales: new Float32Array(rows * groups),
    zeroHalves: new Uint16Array(rows * groups),
    keep: out.patterns ? new Uint8Array(rows * columns) : null,
  };
  for (let r = 0; r < rows; r++) {
    const row = weights.subarray(r * columns, (r + 1) * columns);
    if (quantizer.quantize(row, out) >= 0 || quantizer.error.squaredError > 0) return undefined;
    for (let g = 0; g < groups; g++) {
      matrix.scales[r * groups + g] = out.scales[g]! * 2 ** out.exponents[0]!;
      matrix.zeroHalves[r * groups + g] = out.zeroHalves[g]!;
    }
    for (let c = 0; c < columns; c++) {
      matrix.positions[r * columns + c] = out.codes[c]!;
      if (out.patterns === undefined || matrix.keep === null) continue;
      const kept: readonly number[] = keepPatterns[out.patterns[c >> 2]!]!;
      matrix.keep[r * columns + c] = Number(kept.includes(c & 3));
    }
  }
  return matrix;
}

/** Room for a matrix on the grids of a format. */
export function emptyGrid(rows: number, columns: number, format: WeightFormat): GridMatrix {
  const groups = Math.ceil(columns / groupSize);
  return {
    positions: new Float32Array(rows * columns),
    scales: new Float32Array(rows * groups),
    zeroHalves: new Uint16Array(rows * groups),
    keep: weightFormats[format].sparse ? new Uint8Array(rows * columns) : null,
  };
}

/** Where a matrix is 2:4 already: what is not zero; else null. */
export function maskOf(weights: Float32Array, rows: number, columns: number): Uint8Array | null {
  for (let r = 0; r < rows; r++) if (!isTwoOfFour(weights, r * columns, columns)) return null;
  return Uint8Array.from(weights, (weight) => Number(weight !== 0));
}
