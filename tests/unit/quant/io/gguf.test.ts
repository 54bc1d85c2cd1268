import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { BlockTensor } from "../../../../quant/io/block-tensor.ts";
import { type Checkpoint, openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { openFile } from "../../../../quant/io/file-range.ts";
import { BLOCK_FORMATS } from "../../../../quant/io/gguf-blocks.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { sharedData, sharedDataAbsent } from "../../shared-data.ts";
import {
  type GgufTensor,
  type GgufValue,
  ggufBytes,
  ggufName,
  interleave,
  writeGguf,
} from "./gguf-fixture.ts";
import { randomWeights, rawTensors, writeRandom } from "./random-checkpoint.ts";
import { newFolder } from "./small-checkpoint.ts";

/** Random blocks with what llama.cpp's own Python package (gguf 0.19.0) makes of them, hexadecimal. */
const vectors: Record<string, { type: number; weights: number; blocks: string; values: string }> = JSON.parse(
  readFileSync(new URL("./gguf-blocks.json", import.meta.url), "utf8"),
);

function metadata(architecture: string, more: Record<string, GgufValue> = {}): Record<string, GgufValue> {
  const tokens = Array.from(
    { length: 60 },
    (_, i) => ["<unk>", "<s>", "</s>"][i] ?? String.fromCharCode(62 + i),
  );
  return {
    "general.architecture": { text: architecture },
    [`${architecture}.block_count`]: { u32: 2 },
    [`${architecture}.context_length`]: { u64: 64 },
    [`${architecture}.embedding_length`]: { u32: 48 },
    [`${architecture}.feed_forward_length`]: { u32: 72 },
    [`${architecture}.attention.head_count`]: { u32: 6 },
    [`${architecture}.attention.head_count_kv`]: { u32: 2 },
    [`${architecture}.attention.key_length`]: { u32: 16 },
    [`${architecture}.attention.layer_norm_rms_epsilon`]: { f32: 1e-5 },
    "tokenizer.ggml.model": { text: "llama" },
    "tokenizer.ggml.tokens": { texts: tokens },
    "tokenizer.ggml.scores": { floats: tokens.map((_, i) => -i) },
    ...more,
  };
}

const bytesOf = (values: Float32Array) => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);

/** A model's tensors as llama.cpp stores them in float32; q and k in its order where it calls the model llama. */
function ggufTensors(config: Record<string, unknown>, weights: Map<string, Float32Array>, reorder: boolean) {
  const raw = rawTensors(config, weights);
  const tensors: Record<string, GgufTensor> = {};
  for (const [name, values] of weights) {
    const { shape } = raw[name]!;
    const turned = reorder && /self_attn\.[qk]_proj/.test(name);
    const stored = turned ? interleave(values, shape[0]!, 16) : values;
    tensors[ggufName(name)] = { type: 0, shape, bytes: bytesOf(stored) };
  }
  return tensors;
}

async function logits(checkpoint: Checkpoint): Promise<Float32Array> {
  const model = await FloatModel.load(checkpoint);
  await checkpoint.close();
  return model.forward([3, 9, 27, 44, 12, 5]);
}

describe("block formats", () => {
  it.each(Object.keys(vectors))("%s: what llama.cpp's package gives", async (name) => {
    const { type, weights, blocks, values } = vectors[name]!;
    const format = BLOCK_FORMATS.get(type)!;
    expect([format.name, format.weights, format.bytes]).toEqual([name, weights, blocks.length / 4]);
    const path = join(newFolder(), "blocks");
    writeFileSync(path, Buffer.concat([Buffer.from("skip"), Buffer.from(blocks, "hex")]));
    const file = await openFile(path);
    const tensor = new BlockTensor("w", 2, weights, format, { file, offset: 4 });
    const out = new Float32Array(2 * weights);
    await tensor.read(0, 2, out);
    const expected = new Float32Array(new Uint8Array(Buffer.from(values, "hex")).buffer);
    expect(out).toEqual(expected);
    await tensor.read(1, 1, out);
    expect(out.subarray(0, weights)).toEqual(expected.subarray(weights));
    await file.handle.close();
  });
});

describe("a GGUF checkpoint", () => {
  const llama3: Record<string, unknown> = {
    rope_type: "llama3",
    factor: 8,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };
  const cases: [string, string, Record<string, unknown>, Record<string, GgufValue>, boolean][] = [
    ["Llama", "llama", {}, { "llama.rope.dimension_count": { u32: 16 } }, false],
    [
      "Llama with linear scaling",
      "llama",
      { rope_scaling: { type: "linear", factor: 4 } },
      { "llama.rope.scaling.type": { text: "linear" }, "llama.rope.scaling.factor": { f32: 4 } },
      false,
    ],
    [
      "Llama 3.1",
      "llama",
      { rope_theta: 500_000, rope_scaling: llama3 },
      { "llama.rope.freq_base": { f32: 500_000 } },
      true,
    ],
    ["Llama with biases, tied", "llama", { attention_bias: true, tie_word_embeddings: true }, {}, false],
    [
      "Mistral with a sliding window",
      "llama",
      { architectures: ["MistralForCausalLM"], sliding_window: 4 },
      { "llama.attention.sliding_window": { u32: 4 } },
      false,
    ],
    [
      "Qwen2",
      "qwen2",
      { architectures: ["Qwen2ForCausalLM"], rope_theta: 1e6, rms_norm_eps: 1e-5 },
      { "qwen2.rope.freq_base": { f32: 1e6 } },
      false,
    ],
  ];

  it.each(cases)(
    "of %s is the model that Hugging Face's form is",
    async (_, architecture, config, more, factors) => {
      const weights = randomWeights(config);
      const folder = writeRandom(config, weights);
      const tensors = ggufTensors(config, weights, architecture === "llama");
      if (factors) {
        // As convert_hf_to_gguf.py computes them: by wavelength, in lengths of the original context.
        const values = Float32Array.from({ length: 8 }, (_, i) => {
          const turns = (8192 * 500_000 ** (-i / 8)) / (2 * Math.PI);
          if (turns > 4) return 1;
          return turns < 1 ? 8 : 1 / ((1 - (turns - 1) / 3) / 8 + (turns - 1) / 3);
        });
        tensors["rope_freqs.weight"] = { type: 0, shape: [8], bytes: bytesOf(values) };
      }
      const path = writeGguf(ggufBytes(metadata(architecture, more), tensors));
      const gguf = await openCheckpoint(path);
      const other = await openCheckpoint(folder);
      expect(gguf.format).toBe("gguf");
      expect(gguf.config).toEqual({ ...other.config, rmsNormEps: gguf.config.rmsNormEps });
      expect(gguf.config.rmsNormEps).toBeCloseTo(1e-5, 10);
      for (const { name, rows, cols } of other.tensors.values()) {
        expect(await gguf.readRows(name, 0, rows)).toEqual(await other.readRows(name, 0, rows));
        if (rows > 20) {
          const some = await other.readRows(name, 7, 12);
          expect(await gguf.readRows(name, 7, 12)).toEqual(some);
          expect(some.length).toBe(12 * cols);
        }
      }
      const [a, b] = [await logits(gguf), await logits(other)];
      for (const [i, value] of a.entries()) expect(value).toBeCloseTo(b[i]!, 4);
    },
  );

  it("is quantized with the tokenizer of its metadata, from blocks and halves", async () => {
    const config = { hidden_size: 256, intermediate_size: 256, num_hidden_layers: 1 };
    const weights = randomWeights(config);
    const tensors = ggufTensors(config, weights, true);
    const gate = vectors.Q6_K!;
    const blocks = Buffer.concat(Array.from({ length: 128 }, () => Buffer.from(gate.blocks, "hex")));
    tensors["blk.0.ffn_gate.weight"] = { type: gate.type, shape: [256, 256], bytes: blocks };
    const ones = new Uint8Array(new Uint16Array(256).fill(0x3f80).buffer);
    tensors["blk.0.ffn_norm.weight"] = { type: 30, shape: [256], bytes: ones };
    const sizes = { embedding_length: 256, feed_forward_length: 256, block_count: 1 };
    const more = Object.fromEntries(Object.entries(sizes).map(([key, u32]) => [`llama.${key}`, { u32 }]));
    const path = writeGguf(ggufBytes(metadata("llama", more), tensors));
    const checkpoint = await openCheckpoint(path);
    const expected = new Float32Array(new Uint8Array(Buffer.from(gate.values, "hex")).buffer);
    expect(await checkpoint.readRows("model.layers.0.mlp.gate_proj.weight", 4, 2)).toEqual(expected);
    expect(checkpoint.tensors.get("model.layers.0.mlp.gate_proj.weight")?.dtype).toBe("Q6_K");
    const norm = await checkpoint.readRows("model.layers.0.post_attention_layernorm.weight", 0, 1);
    expect(norm.every((gain) => gain === 1)).toBe(true);
    await checkpoint.close();
    const output = join(newFolder(), "out.accllm");
    const report = await quantizeCheckpoint({ checkpoint: path, output, platform: "tiny", weights: "w4" });
    expect(report.tensors.every(({ relativeError }) => relativeError < 0.2)).toBe(true);
  });

  const whole = ggufTensors({}, randomWeights({}), true);
  const damages: [string, Record<string, GgufValue>, Record<string, GgufTensor>, RegExp][] = [
    ["another architecture", { "general.architecture": { text: "gemma2" } }, whole, /architecture "gemma2"/],
    ["experts", { "llama.expert_count": { u32: 8 } }, whole, /8 experts/],
    ["another RoPE scaling", { "llama.rope.scaling.type": { text: "yarn" } }, whole, /"yarn"/],
    ["RoPE on part of a head", { "llama.rope.dimension_count": { u32: 8 } }, whole, /RoPE on 8 of 16/],
    ["its model in several files", { "split.count": { u32: 2 } }, whole, /one of 2 files/],
    ["an impossible size", { "llama.embedding_length": { u32: 1 << 30 } }, whole, /hiddenSize/],
    [
      "RoPE factors of its own",
      {},
      { ...whole, "rope_freqs.weight": { type: 0, shape: [8], bytes: bytesOf(new Float32Array(8).fill(3)) } },
      /rope_freqs/,
    ],
    [
      "an unknown format",
      {},
      { ...whole, "output.weight": { type: 16, shape: [60, 48], bytes: new Uint8Array(10) } },
      /ggml's format 16/,
    ],
    [
      "blocks longer than its rows",
      {},
      { ...whole, "output.weight": { type: 14, shape: [60, 48], bytes: new Uint8Array(10) } },
      /rows of 48 in Q6_K/,
    ],
    [
      "a tensor that ends early",
      {},
      { ...whole, "output.weight": { type: 0, shape: [60, 48], bytes: new Uint8Array(10) } },
      /ends at byte/,
    ],
  ];
  it.each(damages)("is refused with %s", async (_, more, tensors, message) => {
    const path = writeGguf(ggufBytes({ ...metadata("llama"), ...more }, tensors));
    await expect(openCheckpoint(path)).rejects.toThrow(message);
    await expect(openCheckpoint(path)).rejects.toMatchObject({ exitCode: 3 });
  });

  it("is refused in one sentence wherever it ends early, or a count or length is out of all bounds", async () => {
    const good = ggufBytes(metadata("llama"), whole);
    const header = good.indexOf("blk.0.attn_norm") + 200;
    const damaged: Uint8Array[] = [];
    for (let end = 0; end < header; end += 61) damaged.push(good.subarray(0, end));
    for (const at of [8, 16, 24, good.indexOf("tokenizer.ggml.tokens") + 29]) {
      const bytes = Buffer.from(good);
      bytes.writeBigUInt64LE(2n ** 62n, at);
      damaged.push(bytes);
    }
    for (const bytes of damaged) {
      await expect(openCheckpoint(writeGguf(bytes))).rejects.toMatchObject({
        exitCode: 3,
        message: expect.not.stringContaining("\n"),
      });
    }
  });

  it.skipIf(sharedDataAbsent)("is refused where it holds a vocabulary alone (../shared/data)", async () => {
    const path = sharedData("gguf/ggml-vocab-llama-spm.gguf");
    await expect(openCheckpoint(path)).rejects.toMatchObject({ code: "TENSOR_MISSING", exitCode: 3 });
  });
});
