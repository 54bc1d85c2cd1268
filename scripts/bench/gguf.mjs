import { closeSync, openSync, renameSync, writeSync } from "node:fs";

// GGUF version 3: magic, version, counts, metadata, tensor infos, then the data, each tensor on an alignment of 32
// (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
const alignment = 32;
const types = { uint32: 4, float32: 6, string: 8, array: 9, int32: 5 };
const f32 = 0;
const q2k = 10;
/** Q2_K: 256 weights as 16 bytes of 4-bit scales and minima, 64 bytes of codes, float16 scale and minimum. */
const q2kBlock = { weights: 256, bytes: 84, scale: 80, minimum: 82 };

/** Grows by whole values; strings and numbers as GGUF writes them. */
class Bytes {
  /** @type {Buffer[]} */
  #parts = [];

  /** @param {number} value */
  uint32(value) {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    this.#parts.push(part);
  }

  /** @param {number} value */
  float32(value) {
    const part = Buffer.alloc(4);
    part.writeFloatLE(value);
    this.#parts.push(part);
  }

  /** @param {number} value */
  uint64(value) {
    const part = Buffer.alloc(8);
    part.writeBigUInt64LE(BigInt(value));
    this.#parts.push(part);
  }

  /** @param {string} text */
  string(text) {
    const part = Buffer.from(text);
    this.uint64(part.length);
    this.#parts.push(part);
  }

  /**
   * @param {keyof typeof types} type
   * @param {any} value
   */
  value(type, value) {
    if (type === "string") this.string(value);
    else if (type === "float32") this.float32(value);
    else this.uint32(value);
  }

  whole() {
    return Buffer.concat(this.#parts);
  }
}

/**
 * Of a number between 2^-14 and 2^15.
 * @param {number} value
 */
function float16Bits(value) {
  const exponent = Math.floor(Math.log2(value));
  return ((exponent + 15) << 10) | Math.round((value / 2 ** exponent - 1) * 1024);
}

/**
 * Writes a llama model with the given shapes and random Q2_K weights, all of its matrices, so that llama.cpp reads
 * 2.625 bits a weight throughout.
 * @param {string} path
 * @param {{ hiddenSize: number, intermediateSize: number, layers: number, heads: number, kvHeads: number,
 *   headDim: number, vocabSize: number, maxPositions: number, rmsNormEps: number, ropeTheta: number }} model
 * @param {readonly string[]} vocabulary texts by id
 */
export function writeRandomGguf(path, model, vocabulary) {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = model;
  /** @type {{ name: string, columns: number, rows: number }[]} rows 0: a vector of float32 */
  const tensors = [{ name: "token_embd.weight", columns: hiddenSize, rows: vocabSize }];
  for (let layer = 0; layer < model.layers; layer++) {
    /** @type {(name: string, columns: number, rows: number) => void} */
    const matrix = (name, columns, rows) =>
      void tensors.push({ name: `blk.${layer}.${name}.weight`, columns, rows });
    matrix("attn_norm", hiddenSize, 0);
    matrix("attn_q", hiddenSize, heads * headDim);
    matrix("attn_k", hiddenSize, kvHeads * headDim);
    matrix("attn_v", hiddenSize, kvHeads * headDim);
    matrix("attn_output", heads * headDim, hiddenSize);
    matrix("ffn_norm", hiddenSize, 0);
    matrix("ffn_gate", hiddenSize, intermediateSize);
    matrix("ffn_up", hiddenSize, intermediateSize);
    matrix("ffn_down", intermediateSize, hiddenSize);
  }
  tensors.push({ name: "output_norm.weight", columns: hiddenSize, rows: 0 });
  tensors.push({ name: "output.weight", columns: hiddenSize, rows: vocabSize });

  /** @type {[key: string, type: keyof typeof types, value: any][]} */
  const metadata = [
    ["general.architecture", "string", "llama"],
    ["general.name", "string", "random weights"],
    ["general.file_type", "uint32", 10],
    ["llama.context_length", "uint32", model.maxPositions],
    ["llama.embedding_length", "uint32", hiddenSize],
    ["llama.block_count", "uint32", model.layers],
    ["llama.feed_forward_length", "uint32", intermediateSize],
    ["llama.attention.head_count", "uint32", heads],
    ["llama.attention.head_count_kv", "uint32", kvHeads],
    ["llama.attention.layer_norm_rms_epsilon", "float32", model.rmsNormEps],
    ["llama.rope.dimension_count", "uint32", headDim],
    ["llama.rope.freq_base", "float32", model.ropeTheta],
    ["llama.vocab_size", "uint32", vocabSize],
    ["tokenizer.ggml.model", "string", "llama"],
    ["tokenizer.ggml.tokens", "string", vocabulary],
    ["tokenizer.ggml.scores", "float32", vocabulary.map((_, id) => -id)],
    // Unknown, control, byte, else normal.
    [
      "tokenizer.ggml.token_type",
      "int32",
      vocabulary.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1)),
    ],
    ["tokenizer.ggml.bos_token_id", "uint32", 1],
    ["tokenizer.ggml.eos_token_id", "uint32", 2],
    ["tokenizer.ggml.unknown_token_id", "uint32", 0],
  ];
  const head = new Bytes();
  head.uint32(0x46554747);
  head.uint32(3);
  head.uint64(tensors.length);
  head.uint64(metadata.length);
  for (const [key, type, value] of metadata) {
    head.string(key);
    if (!Array.isArray(value)) {
      head.uint32(types[type]);
      head.value(type, value);
      continue;
    }
    head.uint32(types.array);
    head.uint32(types[type]);
    head.uint64(value.length);
    for (const element of value) head.value(type, element);
  }
  /** @type {(tensor: { columns: number, rows: number }) => number} */
  const bytesOf = ({ columns, rows }) =>
    rows === 0 ? columns * 4 : (rows * columns * q2kBlock.bytes) / q2kBlock.weights;
  let offset = 0;
  for (const tensor of tensors) {
    head.string(tensor.name);
    head.uint32(tensor.rows === 0 ? 1 : 2);
    head.uint64(tensor.columns);
    if (tensor.rows !== 0) head.uint64(tensor.rows);
    head.uint32(tensor.rows === 0 ? f32 : q2k);
    head.uint64(offset);
    offset += Math.ceil(bytesOf(tensor) / alignment) * alignment;
  }
  const start = head.whole();
  const file = openSync(`${path}.partial`, "w");
  let position = 0;
  /** @type {(bytes: Buffer) => void} */
  const write = (bytes) => {
    position += writeSync(file, bytes, 0, bytes.length, position);
    position = Math.ceil(position / alignment) * alignment;
  };
  write(start);
  for (const tensor of tensors) {
    write(tensor.rows === 0 ? onesOf(tensor.columns) : randomBlocks(bytesOf(tensor), tensor.columns));
  }
  closeSync(file);
  renameSync(`${path}.partial`, path);
}

/** @param {number} count */
function onesOf(count) {
  const bytes = Buffer.alloc(4 * count);
  for (let i = 0; i < count; i++) bytes.writeFloatLE(1, 4 * i);
  return bytes;
}

let state = 0x9e3779b9;

/**
 * Q2_K blocks with the spread 1 / sqrt(columns).
 * @param {number} count bytes
 * @param {number} columns
 */
function randomBlocks(count, columns) {
  const bytes = Buffer.alloc(count);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, count >> 2);
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  // Codes and 4-bit scales average 1.5 and 7.5; the minimum takes the mean out.
  const scale = 1 / (Math.sqrt(columns) * 7.5 * 1.5);
  for (let at = 0; at < count; at += q2kBlock.bytes) {
    bytes.writeUInt16LE(float16Bits(scale), at + q2kBlock.scale);
    bytes.writeUInt16LE(float16Bits(1.5 * scale), at + q2kBlock.minimum);
  }
  return bytes;
}
