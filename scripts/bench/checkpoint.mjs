import { closeSync, existsSync, mkdirSync, openSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { join } from "node:path";
import { importBuilt, root } from "./built.mjs";

/** Weights that are written at a time. */
const block = 1 << 22;

/**
 * A folder in Hugging Face form with random BF16 weights in a model's shapes, made on first use; written block by
 * block, so that its size takes no memory.
 * @param {string} shape of host/bench/shapes.ts
 * @param {number} [layers] default: the shape's own
 */
export async function ensureCheckpoint(shape, layers) {
  const { benchShapes } = await importBuilt("host/bench/shapes.js");
  const model = { ...benchShapes[shape], ...(layers === undefined ? {} : { layers }) };
  const folder = join(root, "build", "bench", `${shape}-${model.layers}-bf16`);
  if (existsSync(join(folder, "model.safetensors"))) return folder;
  const { expectedTensors } = await importBuilt("quant/format/inventory.js");
  const { syntheticTokenizer } = await importBuilt("host/bench/synthetic-tokenizer.js");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "tokenizer.json"), syntheticTokenizer(model.vocabSize));
  writeFileSync(join(folder, "config.json"), JSON.stringify(configOf(model), null, 2));
  writeWeights(join(folder, "model.safetensors"), expectedTensors({ bosId: 1, ...model }));
  return folder;
}

/** @param {Record<string, any>} model */
function configOf(model) {
  return {
    architectures: ["LlamaForCausalLM"],
    model_type: "llama",
    hidden_size: model.hiddenSize,
    intermediate_size: model.intermediateSize,
    num_hidden_layers: model.layers,
    num_attention_heads: model.heads,
    num_key_value_heads: model.kvHeads,
    head_dim: model.headDim,
    vocab_size: model.vocabSize,
    max_position_embeddings: model.maxPositions,
    rms_norm_eps: model.rmsNormEps,
    rope_theta: model.ropeTheta,
    bos_token_id: 1,
    eos_token_id: 2,
    hidden_act: "silu",
    tie_word_embeddings: false,
    torch_dtype: "bfloat16",
  };
}

/**
 * @param {string} path
 * @param {Map<string, readonly number[]>} shapes
 */
function writeWeights(path, shapes) {
  /** @type {Record<string, unknown>} */
  const header = {};
  let end = 0;
  for (const [name, shape] of shapes) {
    const bytes = 2 * shape.reduce((all, size) => all * size, 1);
    header[name] = { dtype: "BF16", shape, data_offsets: [end, end + bytes] };
    end += bytes;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  const file = openSync(`${path}.partial`, "w");
  writeSync(file, length);
  writeSync(file, text);
  const random = { state: 0x9e3779b9 };
  for (const [name, shape] of shapes) {
    const count = shape.reduce((all, size) => all * size, 1);
    // Gains are about one; matrices keep the size of what goes through them; embeddings are of size one.
    const gain = shape.length === 1;
    const deviation = gain || name.includes("embed") ? 1 : 1 / Math.sqrt(shape[1] ?? 1);
    for (let at = 0; at < count; at += block) {
      writeSync(file, randomWeights(Math.min(block, count - at), gain ? 0 : deviation, gain ? 1 : 0, random));
    }
  }
  closeSync(file);
  renameSync(`${path}.partial`, path);
}

/**
 * Normal but for their tails: sums of four random bytes, as BF16.
 * @param {number} count
 * @param {number} deviation
 * @param {number} mean
 * @param {{ state: number }} random
 */
function randomWeights(count, deviation, mean, random) {
  const values = new Float32Array(count);
  const scale = deviation / Math.sqrt(4 * ((256 * 256 - 1) / 12));
  let x = random.state;
  for (let i = 0; i < count; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    const sum = (x & 255) + ((x >>> 8) & 255) + ((x >>> 16) & 255) + (x >>> 24);
    values[i] = mean + scale * (sum - 510);
  }
  random.state = x;
  const words = new Uint16Array(values.buffer);
  return Uint16Array.from({ length: count }, (_, i) => words[2 * i + 1] ?? 0);
}
