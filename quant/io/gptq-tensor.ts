import { groupSize } from "../format/limits.ts";
import { fillFrom } from "./file-range.ts";
import type { ZeroOffset } from "./gptq-config.ts";
import { PlainTensor, type WeightDtype } from "./plain-tensor.ts";
import { type GridRows, notFinite, type StoredGrid, type StoredTensor } from "./stored-tensor.ts";
import type { LocatedEntry } from "./tensor-check.ts";

/** Where a quantized matrix's parts lie. */
export interface GptqParts {
  /** int32 [cols * bits / 32][rows]: codes packed along the inputs, the first in the lowest bits. */
  readonly qweight: LocatedEntry;
  /** int32 [groups][rows * bits / 32]: zero-points packed along the outputs. */
  readonly qzeros: LocatedEntry;
  /** Floats [groups][rows]. */
  readonly scales: LocatedEntry;
}

export interface GptqShape {
  readonly rows: number;
  readonly cols: number;
  readonly bits: 2 | 4 | 8;
  readonly groups: number;
}

/** A matrix's parts in memory. */
interface Loaded {
  readonly name: string;
  readonly words: Int32Array;
  /** [groups][rows], whole steps. */
  readonly zeros: Uint8Array;
  readonly scales: Float32Array;
}

/** The matrix that was read last: rows are asked for in order, and its columns lie apart in the file. */
export class LoadedMatrix {
  #current: Promise<Loaded> | undefined;
  #name = "";

  get(name: string, load: () => Promise<Loaded>): Promise<Loaded> {
    if (this.#current === undefined || this.#name !== name) {
      this.#name = name;
      this.#current = load();
    }
    return this.#current;
  }
}

/** A matrix in GPTQ's packing (AutoGPTQ, GPTQModel, EfficientQAT): scale * (code - zero). */
export class GptqTensor implements StoredTensor {
  readonly name: string;
  readonly rows: number;
  readonly cols: number;
  readonly dtype: string;
  readonly path: string;
  readonly grid: StoredGrid | undefined;
  readonly #shape: GptqShape;
  readonly #parts: GptqParts;
  readonly #offset: ZeroOffset;
  readonly #blockGroups: Uint16Array;
  readonly #cache: LoadedMatrix;

  /** @param blockGroups the group of every 64 inputs. */
  constructor(
    name: string,
    shape: GptqShape,
    parts: GptqParts,
    offset: ZeroOffset,
    blockGroups: Uint16Array,
    cache: LoadedMatrix,
  ) {
    const { bits, cols, groups } = shape;
    this.name = name;
    this.rows = shape.rows;
    this.cols = cols;
    this.dtype = `GPTQ ${bits} bits, groups of ${Math.ceil(cols / groups)}`;
    this.path = parts.qweight.file.path;
    this.#shape = shape;
    this.#parts = parts;
    this.#offset = offset;
    this.#blockGroups = blockGroups;
    this.#cache = cache;
    this.grid =
      bits === 8 ? undefined : { bits, read: (first, count, out) => this.#readGrid(first, count, out) };
  }

  async read(firstRow: number, rowCount: number, out: Float32Array): Promise<void> {
    const { cols, rows } = this.#shape;
    const { words, zeros, scales } = await this.#load();
    const codes = new Uint8Array(groupSize);
    for (let r = 0; r < rowCount; r++) {
      for (const [block, group] of this.#blockGroups.entries()) {
        const at = group * rows + firstRow + r;
        const from = block * groupSize;
        const count = Math.min(groupSize, cols - from);
        this.#unpack(words, firstRow + r, from, count, codes);
        for (let i = 0; i < count; i++) out[r * cols + from + i] = scales[at]! * (codes[i]! - zeros[at]!);
      }
    }
  }

  async #readGrid(firstRow: number, rowCount: number, out: GridRows): Promise<void> {
    const { cols, rows, bits } = this.#shape;
    const { words, zeros, scales } = await this.#load();
    const blocks = this.#blockGroups.length;
    const most = 2 ** bits - 1;
    for (let r = 0; r < rowCount; r++) {
      const row = firstRow + r;
      for (const [block, group] of this.#blockGroups.entries()) {
        const at = group * rows + row;
        const scale = scales[at]!;
        if (!Number.isFinite(scale)) throw notFinite(this, `has the scale ${scale} in row ${row}`);
        const from = block * groupSize;
        const codes = out.codes.subarray(r * cols + from, r * cols + Math.min(cols, from + groupSize));
        this.#unpack(words, row, from, codes.length, codes);
        // An image's scales have no sign: what falls is the same as what rises from the other end.
        const falling = scale < 0;
        if (falling) for (let i = 0; i < codes.length; i++) codes[i] = most - codes[i]!;
        out.scales[r * blocks + block] = Math.abs(scale);
        out.zeroHalves[r * blocks + block] = 2 * (falling ? most - zeros[at]! : zeros[at]!);
      }
    }
  }

  /** Codes of `count` inputs of a row from `column` on, which a word of qweight begins with. */
  #unpack(words: Int32Array, row: number, column: number, count: number, out: Uint8Array): void {
    const { rows, bits } = this.#shape;
    const perWord = 32 / bits;
    const mask = 2 ** bits - 1;
    for (let i = 0; i < count; i += perWord) {
      let word = words[((column + i) / perWord) * rows + row]!;
      for (let k = 0; k < perWord; k++) {
        out[i + k] = word & mask;
        word >>>= bits;
      }
    }
  }

  #load(): Promise<Loaded> {
    return this.#cache.get(this.name, async () => {
      const { rows, groups } = this.#shape;
      const { file, entry } = this.#parts.scales;
      const scales = new Float32Array(groups * rows);
      const stored = new PlainTensor(`${this.name} (scales)`, groups, rows, entry.dtype as WeightDtype, {
        file,
        offset: entry.offset,
      });
      await stored.read(0, groups, scales);
      const words = await integers(this.#parts.qweight);
      return { name: this.name, words, zeros: this.#unpackZeros(await integers(this.#parts.qzeros)), scales };
    });
  }

  #unpackZeros(words: Int32Array): Uint8Array {
    const { rows, groups, bits } = this.#shape;
    const perWord = 32 / bits;
    const width = rows / perWord;
    const mask = 2 ** bits - 1;
    // A one in every place of a word.
    const ones = Math.floor(0xffffffff / mask);
    const zeros = new Uint8Array(groups * rows);
    for (let i = 0; i < zeros.length; i++) {
      const row = i % rows;
      const word = words[Math.floor(i / rows) * width + Math.floor(row / perWord)]!;
      const whole = this.#offset === "word" ? (word + ones) | 0 : word;
      const own = (whole >>> (bits * (row % perWord))) & mask;
      zeros[i] = this.#offset === "plus-one" ? (own + 1) & mask : own;
    }
    return zeros;
  }
}

/** All of an int32 tensor. */
export async function integers({ file, entry }: LocatedEntry): Promise<Int32Array> {
  const values = new Int32Array(entry.bytes / 4);
  await fillFrom(file.handle, entry.offset, new Uint8Array(values.buffer), file.path);
  return values;
}
