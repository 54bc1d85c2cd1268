import type { MatrixLayout } from "../format/weight-layout.ts";
import { emptyRows, packRows } from "../format/weight-pack.ts";
import { type QuantizationError, RowQuantizer } from "./quantize-rows.ts";

/** Some rows of a matrix to quantize, and where they go. */
export interface RowStep {
  readonly layout: MatrixLayout;
  /** [rows][columns] */
  readonly values: Float32Array;
  readonly rows: number;
  /** Index of the first row in the matrix: a multiple of a tile's rows, so that steps share no byte of `packed`. */
  readonly firstRow: number;
  /** A run of tiles in every channel, from beat `firstBeat` of the tensor on. */
  readonly packed: readonly Uint8Array[];
  readonly firstBeat: number;
}

export interface RowStepResult {
  /** The first row of the step with a weight that does not fit, or -1. */
  readonly refused: number;
  readonly error: QuantizationError;
}

/** Quantizes rows and packs them. */
export function runRowStep({ layout, values, rows, firstRow, packed, firstBeat }: RowStep): RowStepResult {
  const quantizer = new RowQuantizer(layout);
  const quantized = emptyRows(layout, rows);
  const refused = quantizer.quantize(values, quantized);
  if (refused < 0) packRows(layout, quantized, firstRow, packed, firstBeat);
  return { refused, error: quantizer.error };
}
