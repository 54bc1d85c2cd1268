import type { ImageSource } from "../../../../host/engine/image-source.ts";
import { beatsOf, type ImageHeader, type ImageTensor } from "../../../../quant/format/image-header.ts";
import { beatBytes } from "../../../../quant/format/limits.ts";
import { kernelAbiVersion } from "../../../../quant/format/platform.ts";
import { matrixLayout, type WeightFormat } from "../../../../quant/format/weight-layout.ts";

export interface Shape {
  readonly hidden: number;
  readonly inner: number;
  readonly layers: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headDim: number;
  readonly vocabulary: number;
}

export const smallShape: Shape = {
  hidden: 20,
  inner: 36,
  layers: 2,
  heads: 4,
  kvHeads: 2,
  headDim: 8,
  vocabulary: 33,
};

/** Header of an image with a shape's tensors one after the other; the bytes are not there. */
export function imageHeader(
  shape: Shape,
  options: {
    format?: WeightFormat;
    centered?: boolean;
    hadamard?: boolean;
    biased?: boolean;
    sinks?: number;
    window?: number;
    platform?: { name: string; weightChannels: number; kvChannels: number };
  } = {},
): ImageHeader {
  const { format = "w2", centered = true, hadamard = true, biased = false, sinks = 2, window = 30 } = options;
  const platform = options.platform ?? { name: "tiny", weightChannels: 2, kvChannels: 1 };
  const tensors: ImageTensor[] = [];
  let weightBeats = 0;
  const matrix = (name: string, rows: number, columns: number) => {
    const { beats } = matrixLayout(format, rows, columns, platform.weightChannels);
    tensors.push({ name, format, rows, columns, offset: weightBeats, beats });
    weightBeats += beats;
  };
  const { hidden, inner, heads, kvHeads, headDim, vocabulary } = shape;
  const rowBeats = beatsOf(hidden * 2);
  let tableBeats = rowBeats * vocabulary;
  const place = (bytes: number) => {
    tableBeats += beatsOf(bytes);
    return tableBeats - beatsOf(bytes);
  };
  const gains: Record<string, number> = {};
  const biases: Record<string, number> = {};
  const keyMeans: number[] = [];
  for (let l = 0; l < shape.layers; l++) {
    const name = `model.layers.${l}`;
    matrix(`${name}.self_attn.q_proj.weight`, heads * headDim, hidden);
    matrix(`${name}.self_attn.k_proj.weight`, kvHeads * headDim, hidden);
    matrix(`${name}.self_attn.v_proj.weight`, kvHeads * headDim, hidden);
    matrix(`${name}.self_attn.o_proj.weight`, hidden, heads * headDim);
    matrix(`${name}.mlp.gate_proj.weight`, inner, hidden);
    matrix(`${name}.mlp.up_proj.weight`, inner, hidden);
    matrix(`${name}.mlp.down_proj.weight`, hidden, inner);
    gains[`${name}.input_layernorm.weight`] = place(hidden * 4);
    gains[`${name}.post_attention_layernorm.weight`] = place(hidden * 4);
    if (biased) {
      biases[`${name}.self_attn.q_proj.bias`] = place(heads * headDim * 4);
      biases[`${name}.self_attn.k_proj.bias`] = place(kvHeads * headDim * 4);
      biases[`${name}.self_attn.v_proj.bias`] = place(kvHeads * headDim * 4);
    }
    keyMeans.push(place(kvHeads * headDim * 4));
  }
  matrix("lm_head.weight", vocabulary, hidden);
  gains["model.norm.weight"] = place(hidden * 4);
  const section = (name: string, bytes: number) => ({ name, offset: 0, bytes, sha256: "0".repeat(64) });
  return {
    format: "accllm-image",
    version: 1,
    abi: kernelAbiVersion,
    generator: "test",
    model: {
      architecture: "llama",
      hiddenSize: hidden,
      intermediateSize: inner,
      layers: shape.layers,
      heads,
      kvHeads,
      headDim,
      attentionBias: biased ? "qkv" : "none",
      vocabSize: vocabulary,
      slidingWindow: null,
      maxPositions: 512,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: false,
      bosId: 1,
      eosIds: [2],
    },
    platform,
    kv: { hadamard, centered, sinks, window },
    quantization: { group: 64, weights: format, method: "none", bitsPerWeight: 2 },
    tensors,
    table: { embedding: { offset: 0, rowBeats }, gains, biases, keyMeans },
    sections: [
      ...Array.from({ length: platform.weightChannels }, (_, c) => section(`w${c}`, weightBeats * beatBytes)),
      section("table", tableBeats * beatBytes),
    ],
  };
}

/** An image whose section number s (in the header's order) is filled with the byte s + 1. */
export function filledImage(header: ImageHeader): ImageSource {
  return {
    header,
    async readSection(name, target) {
      target.fill(header.sections.findIndex((section) => section.name === name) + 1);
    },
  };
}
