import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** A tensor of a file that a test writes: its number format, shape and little-endian bytes. */
export interface RawTensor {
  dtype: string;
  shape: number[];
  bytes: Uint8Array;
}

const folders: string[] = [];
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true });
});

/** A temporary folder that goes away after the tests of the file. */
export function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "accllm-checkpoint-"));
  folders.push(folder);
  return folder;
}

/** A safetensors file with the tensors in the given order. */
export function safetensors(tensors: Record<string, RawTensor>): Uint8Array {
  const header: Record<string, unknown> = { __metadata__: { format: "pt" } };
  let end = 0;
  for (const [name, { dtype, shape, bytes }] of Object.entries(tensors)) {
    header[name] = { dtype, shape, data_offsets: [end, end + bytes.length] };
    end += bytes.length;
  }
  return withHeader(JSON.stringify(header), Buffer.concat(Object.values(tensors).map(({ bytes }) => bytes)));
}

/** A safetensors file with this very header. */
export function withHeader(header: string, data: Uint8Array): Uint8Array {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(Buffer.byteLength(header)));
  return Buffer.concat([length, Buffer.from(header), data]);
}

/** Values in steps of 1/8 from -2 to 1.875: exact in float16 and in bfloat16. */
export function value(seed: number, index: number): number {
  return ((seed * 7 + index * 5) % 32) / 8 - 2;
}

const float32Bits = (x: number) => new Uint32Array(Float32Array.of(x).buffer)[0]!;

/** The 16 bits of such a value; the exponent is rebased from 127 to 15. */
function float16Bits(x: number): number {
  if (x === 0) return 0;
  const bits = float32Bits(x);
  return ((bits >>> 31) << 15) | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
}

export function tensor(dtype: "F32" | "F16" | "BF16", shape: number[], seed: number): RawTensor {
  const count = shape.reduce((a, b) => a * b, 1);
  const values = Array.from({ length: count }, (_, i) => value(seed, i));
  const words =
    dtype === "F32"
      ? Float32Array.from(values)
      : Uint16Array.from(values, dtype === "F16" ? float16Bits : (x) => float32Bits(x) >>> 16);
  return { dtype, shape, bytes: new Uint8Array(words.buffer) };
}

export const SMALL_CONFIG = {
  architectures: ["LlamaForCausalLM"],
  model_type: "llama",
  hidden_size: 8,
  intermediate_size: 12,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 10,
  max_position_embeddings: 32,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  hidden_act: "silu",
  tie_word_embeddings: false,
  bos_token_id: 1,
  eos_token_id: 2,
};

/** All tensors of SMALL_CONFIG; the seed of each is its place in the list. */
export function smallTensors(dtype: "F32" | "F16" | "BF16" = "F32"): Record<string, RawTensor> {
  const shapes: [string, number[]][] = [["model.embed_tokens.weight", [10, 8]]];
  for (const layer of [0, 1]) {
    const of = (name: string, shape: number[]) =>
      shapes.push([`model.layers.${layer}.${name}.weight`, shape]);
    of("input_layernorm", [8]);
    of("self_attn.q_proj", [8, 8]);
    of("self_attn.k_proj", [4, 8]);
    of("self_attn.v_proj", [4, 8]);
    of("self_attn.o_proj", [8, 8]);
    of("post_attention_layernorm", [8]);
    of("mlp.gate_proj", [12, 8]);
    of("mlp.up_proj", [12, 8]);
    of("mlp.down_proj", [8, 12]);
  }
  shapes.push(["model.norm.weight", [8]], ["lm_head.weight", [10, 8]]);
  return Object.fromEntries(shapes.map(([name, shape], seed) => [name, tensor(dtype, shape, seed)]));
}

/** Writes a checkpoint folder of one file. */
export function writeCheckpoint(
  tensors: Record<string, RawTensor> = smallTensors(),
  config: Record<string, unknown> = {},
): string {
  const folder = newFolder();
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...SMALL_CONFIG, ...config }));
  writeFileSync(join(folder, "model.safetensors"), safetensors(tensors));
  return folder;
}
