import { fillFrom } from "./file-range.ts";
import { type FilePlace, FileTensor } from "./file-tensor.ts";
import { widenBfloat16, widenFloat16 } from "./float16.ts";

/** Number formats that weights may be stored in one by one, with their bytes per element. */
export const WEIGHT_DTYPES = { F32: 4, F16: 2, BF16: 2 } as const;
export type WeightDtype = keyof typeof WEIGHT_DTYPES;

/** Whether weights may be stored in this safetensors dtype. */
export function isWeightDtype(dtype: string): dtype is WeightDtype {
  return Object.hasOwn(WEIGHT_DTYPES, dtype);
}

/** Largest number of bytes converted at once: bounds the memory of a read beside its result. */
const CHUNK_BYTES = 4 << 20;

/** A tensor that lies row by row in a file, little-endian. */
export class PlainTensor extends FileTensor {
  readonly dtype: WeightDtype;

  constructor(name: string, rows: number, cols: number, dtype: WeightDtype, place: FilePlace) {
    super(name, rows, cols, place);
    this.dtype = dtype;
  }

  async read(firstRow: number, rowCount: number, out: Float32Array): Promise<void> {
    const { path, handle } = this.file;
    const size = WEIGHT_DTYPES[this.dtype];
    const start = this.offset + firstRow * this.cols * size;
    const target = out.subarray(0, rowCount * this.cols);
    if (this.dtype === "F32") {
      await fillFrom(
        handle,
        start,
        new Uint8Array(target.buffer, target.byteOffset, target.byteLength),
        path,
      );
      return;
    }
    const widen = this.dtype === "F16" ? widenFloat16 : widenBfloat16;
    const chunk = new Uint16Array(Math.min(target.length, CHUNK_BYTES / size));
    for (let done = 0; done < target.length; done += chunk.length) {
      const part = chunk.subarray(0, Math.min(chunk.length, target.length - done));
      await fillFrom(handle, start + done * size, new Uint8Array(part.buffer, 0, part.byteLength), path);
      widen(part, target.subarray(done, done + part.length));
    }
  }
}
