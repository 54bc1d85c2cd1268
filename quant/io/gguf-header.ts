import { stat } from "node:fs/promises";
import { InputError } from "../../host/errors.ts";
import { fillFrom, type OpenFile, openFile } from "./file-range.ts";

/** Limits on a GGUF header; what claims more is refused before anything is read by its word. */
export const GGUF_LIMITS = {
  headerBytes: 256 << 20,
  keys: 4_096,
  tensors: 65_536,
  keyLength: 1_024,
  nameLength: 256,
  arrayElements: 1 << 22,
  rank: 4,
} as const;

/** A tensor of a GGUF file. */
export interface GgufTensorInfo {
  readonly name: string;
  /** ggml's number of the format. */
  readonly type: number;
  /** Outermost first, as in a checkpoint: [rows, columns]. */
  readonly shape: readonly number[];
  /** Where its bytes begin, from the start of the file. */
  readonly offset: number;
}

export interface GgufHeader {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly GgufTensorInfo[];
}

/**
 * Reads a GGUF file's header with @huggingface/gguf, after a walk over its counts and lengths that keeps them within
 * the file and within {@link GGUF_LIMITS}.
 * @throws InputError
 */
export async function readGgufHeader(path: string): Promise<GgufHeader> {
  const kind = await stat(path).catch(() => undefined);
  if (kind?.isFile() !== true) throw new InputError("FILE_UNREADABLE", `${path} is not a regular file.`);
  const file = await openFile(path);
  try {
    await new Walk(file).check();
  } finally {
    await file.handle.close();
  }
  const { gguf } = await import("@huggingface/gguf");
  const parsed = await gguf(path, { allowLocalFile: true }).catch((cause: Error) => {
    throw new InputError("GGUF_INVALID", `${path} cannot be read as GGUF: ${cause.message}.`, { cause });
  });
  if (!parsed.littleEndian) throw new InputError("GGUF_INVALID", `${path} is big-endian.`);
  const tensors = parsed.tensorInfos.map(({ name, dtype, shape, offset }) => ({
    name,
    type: dtype as number,
    shape: shape.map(Number).reverse(),
    offset: Number(parsed.tensorDataOffset + offset),
  }));
  return { metadata: { ...parsed.metadata }, tensors };
}

/** Bytes of a value of each metadata type; strings (8) and arrays (9) say their own. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, undefined, undefined, 8, 8, 8];
const STRING = 8;
const ARRAY = 9;

/** Bytes that are read of the file at a time. */
const BUFFER_BYTES = 1 << 16;

/** Goes through a header without keeping any of it. */
class Walk {
  readonly #file: OpenFile;
  readonly #end: number;
  #position = 0;
  #buffer = new DataView(new ArrayBuffer(0));
  #bufferStart = 0;

  constructor(file: OpenFile) {
    this.#file = file;
    this.#end = Math.min(file.bytes, GGUF_LIMITS.headerBytes);
  }

  async check(): Promise<void> {
    if ((await this.#integer(4)) !== 0x46554747) throw this.#bad("it does not begin with GGUF");
    const version = await this.#integer(4);
    if (version !== 2 && version !== 3) throw this.#bad(`it is of version ${version}; 2 and 3 can be read`);
    const tensors = await this.#count("tensors", GGUF_LIMITS.tensors);
    const keys = await this.#count("keys", GGUF_LIMITS.keys);
    for (let i = 0; i < keys; i++) {
      await this.#string("a key", GGUF_LIMITS.keyLength);
      await this.#value(await this.#integer(4));
    }
    for (let i = 0; i < tensors; i++) {
      await this.#string("a tensor's name", GGUF_LIMITS.nameLength);
      const rank = await this.#integer(4);
      if (rank > GGUF_LIMITS.rank) throw this.#bad(`a tensor has ${rank} dimensions`);
      let elements = 1;
      for (let d = 0; d < rank; d++) elements *= await this.#integer(8);
      if (!Number.isSafeInteger(elements)) throw this.#bad("a tensor has an impossible shape");
      await this.#skip(4);
      await this.#count("bytes before a tensor", this.#file.bytes);
    }
  }

  async #value(type: number): Promise<void> {
    if (type === STRING) return this.#string("a value", this.#end);
    if (type !== ARRAY) return this.#skip(this.#bytesOf(type));
    const element = await this.#integer(4);
    const count = await this.#count("elements of an array", GGUF_LIMITS.arrayElements);
    if (element !== STRING) return this.#skip(count * this.#bytesOf(element));
    for (let i = 0; i < count; i++) await this.#string("an element", this.#end);
  }

  #bytesOf(type: number): number {
    const bytes = VALUE_BYTES[type];
    if (bytes === undefined) throw this.#bad(`a value is of type ${type}`);
    return bytes;
  }

  async #string(what: string, most: number): Promise<void> {
    await this.#skip(await this.#count(`bytes of ${what}`, most));
  }

  async #count(what: string, most: number): Promise<number> {
    const count = await this.#integer(8);
    if (count > most) throw this.#bad(`it claims ${count} ${what}; at most ${most} are accepted`);
    return count;
  }

  async #skip(bytes: number): Promise<void> {
    this.#position += bytes;
    if (this.#position > this.#end) throw this.#bad(`its header goes on behind byte ${this.#end}`);
  }

  async #integer(bytes: 4 | 8): Promise<number> {
    const at = this.#position;
    await this.#skip(bytes);
    if (at < this.#bufferStart || at + bytes > this.#bufferStart + this.#buffer.byteLength) {
      const next = new Uint8Array(Math.min(BUFFER_BYTES, this.#file.bytes - at));
      await fillFrom(this.#file.handle, at, next, this.#file.path);
      this.#buffer = new DataView(next.buffer);
      this.#bufferStart = at;
    }
    const view = this.#buffer;
    const offset = at - this.#bufferStart;
    return bytes === 4 ? view.getUint32(offset, true) : Number(view.getBigUint64(offset, true));
  }

  #bad(what: string): InputError {
    return new InputError("GGUF_INVALID", `${this.#file.path} cannot be read as GGUF: ${what}.`);
  }
}
