import { InputError } from "../../host/errors.ts";
import type { ModelConfig } from "./config.ts";
import { fillFrom, type OpenFile } from "./file-range.ts";
import { widenBfloat16, widenFloat16 } from "./float16.ts";

/** Number formats that weights may be stored in, with their bytes per element. */
export const WEIGHT_DTYPES = { F32: 4, F16: 2, BF16: 2 } as const;
export type WeightDtype = keyof typeof WEIGHT_DTYPES;

/** Whether weights may be stored in this safetensors dtype. */
export function isWeightDtype(dtype: string): dtype is WeightDtype {
  return Object.hasOwn(WEIGHT_DTYPES, dtype);
}

/** Largest number of bytes converted at once: bounds the memory of a read beside its result. */
const CHUNK_BYTES = 4 << 20;

/** A matrix (or a vector as one row) lying row by row in a file, little-endian. */
export interface StoredTensor {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: WeightDtype;
  readonly file: OpenFile;
  /** Where its first element lies in the file. */
  readonly offset: number;
  /**
   * Rows per head where the two elements that RoPE rotates together are neighbours in the file (llama2.c). They
   * are read in the rotate-half order instead: within a head, row i pairs with row i + headDim/2.
   */
  readonly interleavedHeadDim: number | null;
}

/** What a format's reader hands over: the configuration and the place of every tensor it stores. */
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
  const { cols, interleavedHeadDim } = tensor;
  if (interleavedHeadDim === null) {
    await readElements(tensor, firstRow * cols, out.subarray(0, rowCount * cols));
  } else {
    await readInterleaved(tensor, interleavedHeadDim, firstRow, rowCount, out);
  }
  requireFinite(tensor, firstRow, out.subarray(0, rowCount * cols));
}

async function readElements(tensor: StoredTensor, first: number, out: Float32Array): Promise<void> {
  const { file, dtype } = tensor;
  const size = WEIGHT_DTYPES[dtype];
  const start = tensor.offset + first * size;
  if (dtype === "F32") {
    await fillFrom(file.handle, start, new Uint8Array(out.buffer, out.byteOffset, out.byteLength), file.path);
    return;
  }
  const widen = dtype === "F16" ? widenFloat16 : widenBfloat16;
  const chunk = new Uint16Array(Math.min(out.length, CHUNK_BYTES / size));
  for (let done = 0; done < out.length; done += chunk.length) {
    const part = chunk.subarray(0, Math.min(chunk.length, out.length - done));
    await fillFrom(
      file.handle,
      start + done * size,
      new Uint8Array(part.buffer, 0, part.byteLength),
      file.path,
    );
    widen(part, out.subarray(done, done + part.length));
  }
}

async function readInterleaved(
  tensor: StoredTensor,
  headDim: number,
  firstRow: number,
  rowCount: number,
  out: Float32Array,
): Promise<void> {
  const { cols } = tensor;
  const half = headDim / 2;
  const head = new Float32Array(headDim * cols);
  let loaded = -1;
  for (let i = 0; i < rowCount; i++) {
    const row = firstRow + i;
    const headStart = row - (row % headDim);
    if (headStart !== loaded) {
      await readElements(tensor, headStart * cols, head);
      loaded = headStart;
    }
    const inHead = row - headStart;
    const source = inHead < half ? 2 * inHead : 2 * (inHead - half) + 1;
    out.set(head.subarray(source * cols, (source + 1) * cols), i * cols);
  }
}

function requireFinite(tensor: StoredTensor, firstRow: number, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    const row = firstRow + Math.floor(i / tensor.cols);
    throw new InputError(
      "WEIGHT_NOT_FINITE",
      `${tensor.file.path}: tensor "${tensor.name}" is ${values[i]} at [${row}, ${i % tensor.cols}]; ` +
        "weights have to be finite.",
      { hint: "The checkpoint is damaged or its training diverged; take another one." },
    );
  }
}
