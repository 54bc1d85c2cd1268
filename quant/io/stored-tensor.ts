import { InputError } from "../../host/errors.ts";
import type { ModelConfig } from "./config.ts";

/** Rows of a matrix that is stored as codes, on a grid for every 64 inputs: scale * (code - zeroHalf / 2). */
export interface GridRows {
  /** [rows][cols] */
  readonly codes: Uint8Array;
  /** [rows][groups] */
  readonly scales: Float64Array;
  /** [rows][groups], in half steps. */
  readonly zeroHalves: Uint16Array;
}

/** A matrix's own codes, where it has been quantized already. */
export interface StoredGrid {
  readonly bits: 2 | 4;
  /** Reads rows into the beginning of arrays of the right size. @throws InputError for scales that are not finite. */
  read(firstRow: number, rowCount: number, out: GridRows): Promise<void>;
}

/** A matrix (or a vector as one row) in a file. */
export interface StoredTensor {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  /** How it is stored, as people call it. */
  readonly dtype: string;
  /** The file, for messages. */
  readonly path: string;
  /** Its codes; undefined where it has none that an image could hold. */
  readonly grid?: StoredGrid | undefined;
  /**
   * Reads rows as float32 into the beginning of `out`.
   * @throws InputError where the file is shorter than it was.
   */
  read(firstRow: number, rowCount: number, out: Float32Array): Promise<void>;
}

/** What a format's reader hands over: the configuration and every tensor that it stores. */
export interface OpenedWeights {
  readonly config: ModelConfig;
  /** By canonical name; of a tied pair only the stored one. */
  readonly stored: ReadonlyMap<string, StoredTensor>;
  close(): Promise<void>;
}

/**
 * Reads `rowCount` rows from `firstRow` as float32.
 * @param out at least rowCount * cols elements; filled from its beginning.
 * @throws InputError where the file is shorter than it was, or a weight is NaN or infinite.
 */
export async function readStoredRows(
  tensor: StoredTensor,
  firstRow: number,
  rowCount: number,
  out: Float32Array,
): Promise<void> {
  await tensor.read(firstRow, rowCount, out);
  for (let i = 0; i < rowCount * tensor.cols; i++) {
    if (Number.isFinite(out[i])) continue;
    const row = firstRow + Math.floor(i / tensor.cols);
    throw notFinite(tensor, `is ${out[i]} at [${row}, ${i % tensor.cols}]; weights have to be finite`);
  }
}

export function notFinite(
  { path, name }: { readonly path: string; readonly name: string },
  what: string,
): InputError {
  return new InputError("WEIGHT_NOT_FINITE", `${path}: tensor "${name}" ${what}.`, {
    hint: "The checkpoint is damaged or its training diverged; take another one.",
  });
}
