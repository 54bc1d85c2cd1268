import { stat } from "node:fs/promises";
import { extname } from "node:path";
import { InputError } from "../../host/errors.ts";
import { EMBEDDING, LM_HEAD } from "../format/inventory.ts";
import type { ModelConfig } from "./config.ts";
import { openGguf } from "./gguf.ts";
import { openHuggingFace } from "./huggingface.ts";
import { openLlama2c } from "./llama2c.ts";
import { type OpenedWeights, readStoredRows, type StoredGrid, type StoredTensor } from "./stored-tensor.ts";
import { readTokenizerFiles, type TokenizerFiles } from "./tokenizer-files.ts";

/** A tensor of a checkpoint as it is offered to readers. A norm's gain has one row. */
export interface TensorInfo {
  /** Canonical name, that of Hugging Face's Llama. */
  readonly name: string;
  /** Outputs. */
  readonly rows: number;
  /** Inputs; consecutive in memory. */
  readonly cols: number;
  /** How it is stored; readers always get float32. */
  readonly dtype: string;
  /** Its codes where it has been quantized already; undefined where it has none that an image could hold. */
  readonly grid?: StoredGrid | undefined;
}

/** A trained model on disk: its dimensions, and its weights as streams of float32 rows. */
export interface Checkpoint {
  readonly path: string;
  readonly format: "huggingface" | "gguf" | "llama2.c";
  readonly config: ModelConfig;
  /**
   * Every tensor of the architecture by canonical name, complete and of the right shape. Where the embedding is
   * tied, both of its names are present and read the same stored tensor.
   */
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  /** Whether lm_head.weight and model.embed_tokens.weight are one tensor. */
  readonly tied: boolean;
  /** The tokenizer's files, null where there are none; see {@link requireTokenizer}. */
  readonly tokenizerFiles: TokenizerFiles | null;
  /**
   * Reads rows [firstRow, firstRow + rowCount) as float32, row after row. Query and key rows are in rotate-half
   * order: RoPE rotates row i of a head with row i + headDim/2.
   * @param out where to put them, at least rowCount * cols elements; allocated when absent.
   * @throws InputError where a weight is NaN or infinite or the file has changed; RangeError for an unknown name or
   *   rows outside the tensor.
   */
  readRows(name: string, firstRow: number, rowCount: number, out?: Float32Array): Promise<Float32Array>;
  /** Closes the files. Safe to call twice. */
  close(): Promise<void>;
}

export interface OpenCheckpointOptions {
  /** A tokenizer.json, a folder with one, or a llama2.c tokenizer.bin; default: what lies beside the weights. */
  readonly tokenizer?: string;
}

const OPENERS: Readonly<Record<Checkpoint["format"], (path: string) => Promise<OpenedWeights>>> = {
  huggingface: openHuggingFace,
  gguf: openGguf,
  "llama2.c": openLlama2c,
};

const FILE_FORMATS: Readonly<Record<string, Checkpoint["format"]>> = { ".gguf": "gguf", ".bin": "llama2.c" };

/**
 * Opens a checkpoint: a Hugging Face folder (config.json, model.safetensors or shards with their index; quantized in
 * GPTQ's form, too), a GGUF file or a llama2.c legacy .bin file. Headers are read and checked, weights are not read yet.
 * @throws InputError naming what is missing, unknown or of the wrong shape.
 */
export async function openCheckpoint(path: string, options: OpenCheckpointOptions = {}): Promise<Checkpoint> {
  const kind = await stat(path).catch((cause: Error) => {
    throw new InputError("FILE_UNREADABLE", `Cannot open the checkpoint ${path}: ${cause.message}.`, {
      cause,
    });
  });
  const format = kind.isDirectory() ? "huggingface" : FILE_FORMATS[extname(path).toLowerCase()];
  if (format === undefined) {
    throw new InputError("CHECKPOINT_UNKNOWN", `${path} is not a checkpoint that can be read.`, {
      hint: "Give the folder that holds config.json and model.safetensors, a .gguf or a llama2.c .bin file.",
    });
  }
  const opened = await OPENERS[format](path);
  try {
    const besides = format === "llama2.c" ? undefined : path;
    const tokenizerPath = options.tokenizer ?? besides;
    const tokenizerFiles = tokenizerPath === undefined ? null : await readTokenizerFiles(tokenizerPath);
    if (options.tokenizer !== undefined && tokenizerFiles === null) {
      throw new InputError("TOKENIZER_MISSING", `There is no tokenizer at ${options.tokenizer}.`);
    }
    return new FileCheckpoint(path, format, opened, tokenizerFiles);
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/** The tokenizer's files of a checkpoint. @throws InputError where it has none. */
export function requireTokenizer(checkpoint: Checkpoint): TokenizerFiles {
  if (checkpoint.tokenizerFiles !== null) return checkpoint.tokenizerFiles;
  throw new InputError("TOKENIZER_MISSING", `The checkpoint ${checkpoint.path} has no tokenizer.`, {
    hint: "Put tokenizer.json beside the weights, or name a tokenizer.json or tokenizer.bin with --tokenizer.",
  });
}

class FileCheckpoint implements Checkpoint {
  readonly path: string;
  readonly format: Checkpoint["format"];
  readonly config: ModelConfig;
  readonly tied: boolean;
  readonly tokenizerFiles: TokenizerFiles | null;
  readonly tensors: ReadonlyMap<string, TensorInfo>;
  readonly #stored: ReadonlyMap<string, StoredTensor>;
  readonly #close: () => Promise<void>;
  #closed = false;

  constructor(
    path: string,
    format: Checkpoint["format"],
    opened: OpenedWeights,
    tokenizerFiles: TokenizerFiles | null,
  ) {
    this.path = path;
    this.format = format;
    this.config = opened.config;
    this.tied = opened.config.tieWordEmbeddings;
    this.tokenizerFiles = tokenizerFiles;
    this.#close = () => opened.close();
    this.#stored = this.tied ? withBothNames(opened.stored) : opened.stored;
    this.tensors = new Map(
      [...this.#stored].map(([name, { rows, cols, dtype, grid }]) => [
        name,
        { name, rows, cols, dtype, ...(grid === undefined ? {} : { grid }) },
      ]),
    );
  }

  async readRows(
    name: string,
    firstRow: number,
    rowCount: number,
    out?: Float32Array,
  ): Promise<Float32Array> {
    const tensor = this.#stored.get(name);
    if (tensor === undefined) throw new RangeError(`the checkpoint has no tensor "${name}"`);
    if (!(firstRow >= 0 && rowCount >= 0 && firstRow + rowCount <= tensor.rows)) {
      throw new RangeError(`"${name}" has ${tensor.rows} rows, not ${firstRow}..${firstRow + rowCount}`);
    }
    const elements = rowCount * tensor.cols;
    const target = out ?? new Float32Array(elements);
    if (target.length < elements) throw new RangeError(`${target.length} elements cannot hold ${elements}`);
    await readStoredRows(tensor, firstRow, rowCount, target);
    return target;
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#close();
  }
}

function withBothNames(stored: ReadonlyMap<string, StoredTensor>): Map<string, StoredTensor> {
  const shared = stored.get(EMBEDDING) ?? stored.get(LM_HEAD);
  if (shared === undefined) throw new RangeError("a tied embedding is stored under one of its names");
  return new Map([[EMBEDDING, shared], ...stored, [LM_HEAD, shared]]);
}
