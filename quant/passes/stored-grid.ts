import { groupSize } from "../format/limits.ts";
import type { WeightFormat } from "../format/weight-layout.ts";
import { emptyRows, packRows } from "../format/weight-pack.ts";
import type { TensorInfo } from "../io/checkpoint.ts";
import type { GridRows, StoredGrid } from "../io/stored-tensor.ts";
import type { GridMatrix } from "../native/native-model.ts";
import type { QuantizationError } from "./quantize-rows.ts";
import { type RoundedRow, roundScales } from "./round.ts";
import type { RowStep, RowStepResult } from "./row-step.ts";

/** The format that holds a matrix's own codes as they are; undefined where it has none. */
export function ownFormat({ grid }: TensorInfo): WeightFormat | undefined {
  return grid === undefined ? undefined : grid.bits === 2 ? "w2" : "w4";
}

/** A matrix's own codes, where a format takes them as they are. */
export function storedGrid(tensor: TensorInfo, format: WeightFormat): StoredGrid | undefined {
  return ownFormat(tensor) === format ? tensor.grid : undefined;
}

/** Room for rows of a matrix. */
function gridRows(rows: number, columns: number, groups: number): GridRows {
  return {
    codes: new Uint8Array(rows * columns),
    scales: new Float64Array(rows * groups),
    zeroHalves: new Uint16Array(rows * groups),
  };
}

/** All of a matrix as the native library takes it. */
export async function readStoredGrid(grid: StoredGrid, rows: number, columns: number): Promise<GridMatrix> {
  const { codes, scales, zeroHalves } = gridRows(rows, columns, Math.ceil(columns / groupSize));
  await grid.read(0, rows, { codes, scales, zeroHalves });
  return { positions: Float32Array.from(codes), scales: Float32Array.from(scales), zeroHalves, keep: null };
}

/**
 * Packs rows of a dense matrix by its own codes and zero-points. Scales stay as they are too, but in rows in which
 * they are too far apart for one exponent.
 */
export async function packStored(
  grid: StoredGrid,
  { layout, rows, firstRow, packed, firstBeat }: Omit<RowStep, "values">,
): Promise<RowStepResult> {
  const { columns, groups } = layout;
  const stored = gridRows(rows, columns, groups);
  await grid.read(firstRow, rows, stored);
  const out = emptyRows(layout, rows);
  out.zeroHalves.set(stored.zeroHalves);
  const error: QuantizationError = { squaredError: 0, energy: 0, roundedRows: 0 };
  const rounded: RoundedRow = { exponent: 0, lostBits: false };
  const width = out.codes.length / rows;
  for (let r = 0; r < rows; r++) {
    const scales = stored.scales.subarray(r * groups, (r + 1) * groups);
    if (!roundScales(scales, groups, out.scales, r * groups, 1, rounded)) return { refused: r, error };
    out.exponents[r] = rounded.exponent;
    out.codes.set(stored.codes.subarray(r * columns, (r + 1) * columns), r * width);
    let changed = false;
    for (let g = 0; g < groups; g++) {
      const steps = sumOfSquares(stored, r, g, columns, groups);
      const lost = scales[g]! - out.scales[r * groups + g]! * 2 ** rounded.exponent;
      error.energy += scales[g]! ** 2 * steps;
      error.squaredError += lost ** 2 * steps;
      changed ||= lost !== 0;
    }
    if (changed) error.roundedRows++;
  }
  packRows(layout, out, firstRow, packed, firstBeat);
  return { refused: -1, error };
}

/** Sum over a group of (code - zero)^2. */
function sumOfSquares(stored: GridRows, row: number, group: number, columns: number, groups: number): number {
  const zero = stored.zeroHalves[row * groups + group]! / 2;
  const end = row * columns + Math.min(columns, groupSize * (group + 1));
  let sum = 0;
  for (let i = row * columns + groupSize * group; i < end; i++) sum += (stored.codes[i]! - zero) ** 2;
  return sum;
}
