import { groupSize } from "../format/limits.ts";
import type { Checkpoint, TensorInfo } from "../io/checkpoint.ts";
import type { StoredGrid } from "../io/stored-tensor.ts";
import type { GridMatrix } from "../native/native-model.ts";
import { type RoundedRow, roundScales } from "./round.ts";

/** A quantized matrix as it will be stored. */
export interface TrainedMatrix {
  readonly rows: number;
  readonly columns: number;
  /** [rows][columns]: twice code - zero. Dropped weights are 0. Eight bits do for up to four-bit codes. */
  readonly doubled: Int8Array | Int16Array;
  /** [rows][groups]: half the scale, after rounding to an integer under the row's exponent. */
  readonly halfScales: Float64Array;
  /** Rows with a scale that lost bits. */
  readonly roundedRows: number;
}

/** Fixes a trained matrix: positions become codes, scales are rounded as images store them, to multiples of the unit. */
export function finishMatrix(
  rows: number,
  columns: number,
  { positions, scales, zeroHalves, keep }: GridMatrix,
  { maxCode, scaleUnit }: { readonly maxCode: number; readonly scaleUnit: number },
): TrainedMatrix {
  const groups = Math.ceil(columns / groupSize);
  const doubled = maxCode <= 15 ? new Int8Array(rows * columns) : new Int16Array(rows * columns);
  const halfScales = new Float64Array(rows * groups);
  const integers = new Uint16Array(groups);
  const rounded: RoundedRow = { exponent: 0, lostBits: false };
  let roundedRows = 0;
  for (let r = 0; r < rows; r++) {
    const real = Float64Array.from(scales.subarray(r * groups, (r + 1) * groups));
    if (!roundScales(real, groups, integers, 0, scaleUnit, rounded))
      throw new RangeError("a trained scale is too large");
    if (rounded.lostBits) roundedRows++;
    for (let g = 0; g < groups; g++) halfScales[r * groups + g] = integers[g]! * 2 ** (rounded.exponent - 1);
    for (let c = 0; c < columns; c++) {
      const i = r * columns + c;
      if (keep !== null && keep[i] === 0) continue;
      const code = Math.min(Math.max(nearest(positions[i]!), 0), maxCode);
      doubled[i] = 2 * code - zeroHalves[r * groups + Math.floor(c / groupSize)]!;
    }
  }
  return { rows, columns, doubled, halfScales, roundedRows };
}

/** Ties to even, as the library rounds. */
function nearest(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  if (rest !== 0.5) return Math.round(x);
  return below % 2 === 0 ? below : below + 1;
}

/**
 * A checkpoint with some tensors replaced by trained ones. `prepare` is called with the name of what is read next and
 * may fill the maps. Two-bit and four-bit weights are whole multiples of 16-bit
 * scales, exact in float32, so that rounding to nearest finds their grids again.
 */
export function withTrained(
  checkpoint: Checkpoint,
  matrices: ReadonlyMap<string, TrainedMatrix>,
  values: ReadonlyMap<string, Float32Array>,
  prepare: (name: string) => Promise<void>,
): Checkpoint {
  return {
    path: checkpoint.path,
    format: checkpoint.format,
    config: checkpoint.config,
    tensors: new Map([...checkpoint.tensors].map(([name, info]) => [name, preparedFirst(info, prepare)])),
    tied: checkpoint.tied,
    tokenizerFiles: checkpoint.tokenizerFiles,
    async readRows(name, firstRow, rowCount, out) {
      await prepare(name);
      const matrix = matrices.get(name);
      const plain = values.get(name);
      if (matrix === undefined && plain === undefined)
        return checkpoint.readRows(name, firstRow, rowCount, out);
      const { cols } = checkpoint.tensors.get(name)!;
      const target = out ?? new Float32Array(rowCount * cols);
      if (plain !== undefined) target.set(plain.subarray(firstRow * cols, (firstRow + rowCount) * cols));
      else if (matrix !== undefined) expand(matrix, firstRow, rowCount, target);
      return target;
    },
    close: () => checkpoint.close(),
  };
}

/** Codes of its own that a matrix has are asked for in the order of the layers, as rows are. */
function preparedFirst(info: TensorInfo, prepare: (name: string) => Promise<void>): TensorInfo {
  const { grid, name } = info;
  if (grid === undefined) return info;
  const read: StoredGrid["read"] = async (firstRow, rowCount, out) => {
    await prepare(name);
    await grid.read(firstRow, rowCount, out);
  };
  return { ...info, grid: { bits: grid.bits, read } };
}

function expand(matrix: TrainedMatrix, firstRow: number, rowCount: number, out: Float32Array): void {
  const { columns, doubled, halfScales } = matrix;
  const groups = Math.ceil(columns / groupSize);
  for (let r = 0; r < rowCount; r++) {
    const row = firstRow + r;
    for (let c = 0; c < columns; c++) {
      out[r * columns + c] =
        doubled[row * columns + c]! * halfScales[row * groups + Math.floor(c / groupSize)]!;
    }
  }
}
