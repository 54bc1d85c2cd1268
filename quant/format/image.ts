import { createHash } from "node:crypto";
import { type FileHandle, open } from "node:fs/promises";
import { InputError, InterruptedError } from "../../host/errors.ts";
import { fillFrom, readImageHeader } from "./image-file.ts";
import {
  type ImageHeader,
  type ImageSection,
  type ImageTensor,
  sectionNames,
  weightSection,
} from "./image-header.ts";
import { biasName } from "./inventory.ts";
import { beatBytes } from "./limits.ts";
import { type MatrixLayout, matrixLayout } from "./weight-layout.ts";

/** Bytes that are read and hashed at a time: how long the event loop waits. */
const stepBytes = 4 * 1024 * 1024;

/** Longest tokenizer file that is read into memory. */
const maxTokenizerBytes = 128 * 1024 * 1024;

export interface HashHooks {
  /** Called with the bytes done and to do. */
  readonly progress?: ((done: number, total: number) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A packed matrix as the kernel sees it. */
export interface PackedMatrix {
  readonly layout: MatrixLayout;
  /** One array a weight channel, from the tensor's beat 0. */
  readonly channels: readonly Uint8Array[];
}

/** Tokenizer files as they were beside the checkpoint. */
export interface ImageTokenizerFiles {
  readonly tokenizerJson: Uint8Array;
  readonly tokenizerConfig: Uint8Array | null;
  readonly chatTemplate: Uint8Array | null;
}

/**
 * Opens a model image and checks its header against the file and the model; sections are read when asked for.
 * @throws InputError when it is no image, of another version, truncated, or inconsistent.
 */
export async function openImage(path: string): Promise<Image> {
  let handle: FileHandle;
  try {
    handle = await open(path, "r");
  } catch (cause) {
    throw new InputError("FILE_UNREADABLE", `Cannot open the image ${path}: ${(cause as Error).message}.`, {
      cause,
    });
  }
  try {
    return new Image(path, handle, await readImageHeader(handle, path));
  } catch (error) {
    await handle.close();
    throw error;
  }
}

/** An open model image. */
export class Image {
  readonly path: string;
  readonly header: ImageHeader;
  readonly #handle: FileHandle;
  readonly #sections: ReadonlyMap<string, ImageSection>;
  readonly #tensors: ReadonlyMap<string, ImageTensor>;

  constructor(path: string, handle: FileHandle, header: ImageHeader) {
    this.path = path;
    this.header = header;
    this.#handle = handle;
    this.#sections = new Map(header.sections.map((section) => [section.name, section]));
    this.#tensors = new Map(header.tensors.map((tensor) => [tensor.name, tensor]));
  }

  /**
   * Reads the first `target.length` bytes of a section straight into `target`. A whole section is hashed on the
   * way and compared with the header.
   * @throws InputError for a section that is absent, shorter, or not what its SHA-256 says; InterruptedError.
   */
  async readSection(name: string, target: Uint8Array, signal?: AbortSignal): Promise<void> {
    const section = this.#section(name);
    if (target.length > section.bytes) {
      throw new InputError(
        "IMAGE_INVALID",
        `Section "${name}" of the image ${this.path} has ${section.bytes} bytes; ${target.length} were asked for.`,
      );
    }
    const whole = target.length === section.bytes;
    const hash = createHash("sha256");
    for (let done = 0; done < target.length; done += stepBytes) {
      throwIfAborted(signal);
      const part = target.subarray(done, Math.min(done + stepBytes, target.length));
      await fillFrom(this.#handle, this.path, section.offset + done, part);
      if (whole) hash.update(part);
    }
    if (whole) this.#compare(section, hash.digest("hex"));
  }

  /**
   * Where a section lies in the file, to be mapped; the descriptor is open until `close`.
   * @returns with `requireDigest`, which compares a SHA-256 (hex) of the section's bytes with the header's
   * @throws InputError for a section that is absent
   */
  sectionInFile(name: string): {
    readonly descriptor: number;
    readonly offset: number;
    readonly bytes: number;
    requireDigest(sha256: string): void;
  } {
    const section = this.#section(name);
    const { offset, bytes } = section;
    const requireDigest = (sha256: string) => this.#compare(section, sha256);
    return { descriptor: this.#handle.fd, offset, bytes, requireDigest };
  }

  /**
   * Reads every section and compares its SHA-256 with the header.
   * @throws InputError IMAGE_HASH naming the first section that differs; InterruptedError.
   */
  async verifyHashes({ progress, signal }: HashHooks = {}): Promise<void> {
    const total = this.header.sections.reduce((sum, { bytes }) => sum + bytes, 0);
    const buffer = new Uint8Array(Math.min(stepBytes, total));
    let done = 0;
    for (const section of this.header.sections) {
      const hash = createHash("sha256");
      for (let at = 0; at < section.bytes; at += buffer.length) {
        throwIfAborted(signal);
        const part = buffer.subarray(0, Math.min(buffer.length, section.bytes - at));
        await fillFrom(this.#handle, this.path, section.offset + at, part);
        hash.update(part);
        done += part.length;
        progress?.(done, total);
      }
      this.#compare(section, hash.digest("hex"));
    }
  }

  /** @throws InputError for a file of absurd size or one that is not what its SHA-256 says. */
  async tokenizerFiles(): Promise<ImageTokenizerFiles> {
    const optional = async (name: string) => (this.#sections.has(name) ? this.#small(name) : null);
    return {
      tokenizerJson: await this.#small(sectionNames.tokenizer),
      tokenizerConfig: await optional(sectionNames.tokenizerConfig),
      chatTemplate: await optional(sectionNames.chatTemplate),
    };
  }

  /** A tensor's place and format. @throws RangeError for an unknown name. */
  tensor(name: string): ImageTensor {
    const tensor = this.#tensors.get(name);
    if (tensor === undefined) throw new RangeError(`the image has no tensor "${name}"`);
    return tensor;
  }

  /** Reads one packed matrix. @throws RangeError for an unknown name. */
  async matrix(name: string): Promise<PackedMatrix> {
    const { format, rows, columns, offset, beats } = this.tensor(name);
    const layout = matrixLayout(format, rows, columns, this.header.platform.weightChannels);
    const channels: Uint8Array[] = [];
    for (let channel = 0; channel < layout.channels; channel++) {
      channels.push(await this.#read(weightSection(channel), offset * beatBytes, beats * beatBytes));
    }
    return { layout, channels };
  }

  /** Float32 gains of a norm by Hugging Face name. @throws RangeError for an unknown name. */
  async gain(name: string): Promise<Float32Array> {
    const { gains } = this.header.table;
    if (!Object.hasOwn(gains, name)) throw new RangeError(`the image has no gains "${name}"`);
    return this.#floats(gains[name]!, this.header.model.hiddenSize);
  }

  /** Float32 bias of a matrix by the matrix's name; undefined where it has none. @throws RangeError for an unknown name. */
  async bias(matrix: string): Promise<Float32Array | undefined> {
    const { rows } = this.tensor(matrix);
    const { biases } = this.header.table;
    const name = biasName(matrix);
    return Object.hasOwn(biases, name) ? this.#floats(biases[name]!, rows) : undefined;
  }

  /** Float16 bits of a token's embedding, hiddenSize of them. @throws RangeError outside the vocabulary. */
  async embeddingRow(token: number): Promise<Uint16Array> {
    const { model, table } = this.header;
    if (!(Number.isInteger(token) && token >= 0 && token < model.vocabSize)) {
      throw new RangeError(`there is no token ${token}`);
    }
    const beat = table.embedding.offset + token * table.embedding.rowBeats;
    const bytes = await this.#read(sectionNames.table, beat * beatBytes, model.hiddenSize * 2);
    return new Uint16Array(bytes.buffer);
  }

  /** Float16 bits of all embeddings, [vocabSize][hiddenSize], without the rows' padding. */
  async embedding(): Promise<Uint16Array> {
    const { model, table } = this.header;
    const { offset, rowBeats } = table.embedding;
    const rowBytes = rowBeats * beatBytes;
    const bytes = await this.#read(sectionNames.table, offset * beatBytes, rowBytes * model.vocabSize);
    const padded = new Uint16Array(bytes.buffer);
    const rows = new Uint16Array(model.vocabSize * model.hiddenSize);
    for (let token = 0; token < model.vocabSize; token++) {
      const start = (token * rowBytes) / 2;
      rows.set(padded.subarray(start, start + model.hiddenSize), token * model.hiddenSize);
    }
    return rows;
  }

  /** Float32 key means of a layer, [kvHeads][headDim]. @throws RangeError for a layer the model does not have. */
  async keyMean(layer: number): Promise<Float32Array> {
    const { model, table } = this.header;
    const offset = table.keyMeans[layer];
    if (offset === undefined) throw new RangeError(`the model has no layer ${layer}`);
    return this.#floats(offset, model.kvHeads * model.headDim);
  }

  /** Closes the file. */
  async close(): Promise<void> {
    await this.#handle.close();
  }

  #section(name: string): ImageSection {
    const section = this.#sections.get(name);
    if (section !== undefined) return section;
    throw new InputError("IMAGE_INVALID", `The image ${this.path} has no section "${name}".`);
  }

  #compare(section: ImageSection, sha256: string): void {
    if (sha256 === section.sha256) return;
    throw new InputError(
      "IMAGE_HASH",
      `The image ${this.path} is damaged: section "${section.name}" is not what its SHA-256 says.`,
      { hint: "Copy the file again, or quantize the checkpoint again." },
    );
  }

  async #small(name: string): Promise<Uint8Array> {
    const { bytes } = this.#section(name);
    if (bytes > maxTokenizerBytes) {
      throw new InputError(
        "IMAGE_INVALID",
        `Section "${name}" of the image ${this.path} has ${bytes} bytes; at most ${maxTokenizerBytes} are accepted.`,
      );
    }
    const target = new Uint8Array(bytes);
    await this.readSection(name, target);
    return target;
  }

  async #floats(beat: number, count: number): Promise<Float32Array> {
    return new Float32Array((await this.#read(sectionNames.table, beat * beatBytes, count * 4)).buffer);
  }

  async #read(section: string, offset: number, bytes: number): Promise<Uint8Array<ArrayBuffer>> {
    const target = new Uint8Array(bytes);
    await fillFrom(this.#handle, this.path, this.#section(section).offset + offset, target);
    return target;
  }
}

function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError("Reading the image was interrupted.");
}
