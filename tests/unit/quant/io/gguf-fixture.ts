import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { newFolder } from "./small-checkpoint.ts";

/** A metadata value with its type; 64-bit numbers as "u64". */
export type GgufValue =
  | { readonly u32: number }
  | { readonly u64: number }
  | { readonly f32: number }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly floats: readonly number[] };

export interface GgufTensor {
  readonly type: number;
  /** Outermost first. */
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
}

const u32 = (n: number) => Buffer.from(Uint32Array.of(n).buffer);
const u64 = (n: number) => Buffer.from(BigUint64Array.of(BigInt(n)).buffer);
const f32 = (n: number) => Buffer.from(Float32Array.of(n).buffer);
const text = (s: string) => Buffer.concat([u64(Buffer.byteLength(s)), Buffer.from(s)]);

function value(of: GgufValue): Buffer {
  if ("u32" in of) return Buffer.concat([u32(4), u32(of.u32)]);
  if ("u64" in of) return Buffer.concat([u32(10), u64(of.u64)]);
  if ("f32" in of) return Buffer.concat([u32(6), f32(of.f32)]);
  if ("text" in of) return Buffer.concat([u32(8), text(of.text)]);
  if ("texts" in of) return Buffer.concat([u32(9), u32(8), u64(of.texts.length), ...of.texts.map(text)]);
  return Buffer.concat([u32(9), u32(6), u64(of.floats.length), ...of.floats.map(f32)]);
}

const padding = (length: number) => Buffer.alloc((32 - (length % 32)) % 32);

/** The bytes of a GGUF file of version 3, after docs/gguf.md of ggml. */
export function ggufBytes(metadata: Record<string, GgufValue>, tensors: Record<string, GgufTensor>): Buffer {
  const data: Buffer[] = [];
  let end = 0;
  const infos = Object.entries(tensors).map(([name, { type, shape, bytes }]) => {
    const info = [text(name), u32(shape.length), ...[...shape].reverse().map(u64), u32(type), u64(end)];
    data.push(Buffer.from(bytes), padding(bytes.length));
    end += bytes.length + padding(bytes.length).length;
    return Buffer.concat(info);
  });
  const keys = Object.entries(metadata).map(([key, of]) => Buffer.concat([text(key), value(of)]));
  const counts = [u32(0x46554747), u32(3), u64(infos.length), u64(keys.length)];
  const header = Buffer.concat([...counts, ...keys, ...infos]);
  return Buffer.concat([header, padding(header.length), ...data]);
}

export function writeGguf(bytes: Uint8Array): string {
  const path = join(newFolder(), "model.gguf");
  writeFileSync(path, bytes);
  return path;
}

/** llama.cpp's name of a tensor. */
export function ggufName(name: string): string {
  return name
    .replace("model.embed_tokens", "token_embd")
    .replace("model.norm", "output_norm")
    .replace("lm_head", "output")
    .replace(/model\.layers\.(\d+)\./, "blk.$1.")
    .replace("input_layernorm", "attn_norm")
    .replace("post_attention_layernorm", "ffn_norm")
    .replace("self_attn.o_proj", "attn_output")
    .replace(/self_attn\.([qkv])_proj/, "attn_$1")
    .replace(/mlp\.(\w+)_proj/, "ffn_$1");
}

/** Rows as llama.cpp's converter puts them for the models that it calls llama: both halves of a head in turn. */
export function interleave(values: Float32Array, rows: number, headDim: number): Float32Array {
  const width = values.length / rows;
  const half = headDim / 2;
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    const [head, inHead] = [Math.floor(row / headDim), row % headDim];
    const to = head * headDim + (inHead < half ? 2 * inHead : 2 * (inHead - half) + 1);
    out.set(values.subarray(row * width, (row + 1) * width), to * width);
  }
  return out;
}
