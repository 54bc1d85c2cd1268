import { fillFrom } from "./file-range.ts";
import { type FilePlace, FileTensor } from "./file-tensor.ts";
import type { BlockFormat } from "./gguf-blocks.ts";

/** Largest number of bytes decoded at once. */
const CHUNK_BYTES = 1 << 20;

/** A matrix whose rows are blocks of a {@link BlockFormat}, one after the other. */
export class BlockTensor extends FileTensor {
  readonly dtype: string;
  readonly #format: BlockFormat;

  /** @param cols a multiple of the format's weights. */
  constructor(name: string, rows: number, cols: number, format: BlockFormat, place: FilePlace) {
    super(name, rows, cols, place);
    this.dtype = format.name;
    this.#format = format;
  }

  async read(firstRow: number, rowCount: number, out: Float32Array): Promise<void> {
    const { weights, bytes } = this.#format;
    const first = (firstRow * this.cols) / weights;
    const blocks = (rowCount * this.cols) / weights;
    const most = Math.floor(CHUNK_BYTES / bytes);
    const chunk = new Uint8Array(Math.min(blocks, most) * bytes);
    const view = new DataView(chunk.buffer);
    for (let done = 0; done < blocks; done += most) {
      const count = Math.min(most, blocks - done);
      const start = this.offset + (first + done) * bytes;
      await fillFrom(this.file.handle, start, chunk.subarray(0, count * bytes), this.path);
      for (let b = 0; b < count; b++) this.#format.decode(view, b * bytes, out, (done + b) * weights);
    }
  }
}
