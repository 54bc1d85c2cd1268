import type { AttentionBias, ModelConfig } from "./model.ts";

export const EMBEDDING = "model.embed_tokens.weight";
export const LM_HEAD = "lm_head.weight";
export const FINAL_NORM = "model.norm.weight";

/** Names of one layer's tensors without their "model.layers.N." prefix. */
export const LAYER_TENSORS = {
  inputNorm: "input_layernorm.weight",
  query: "self_attn.q_proj.weight",
  key: "self_attn.k_proj.weight",
  value: "self_attn.v_proj.weight",
  output: "self_attn.o_proj.weight",
  postNorm: "post_attention_layernorm.weight",
  gate: "mlp.gate_proj.weight",
  up: "mlp.up_proj.weight",
  down: "mlp.down_proj.weight",
} as const;

export type LayerTensor = keyof typeof LAYER_TENSORS;

/** The matrices of a layer that add a bias. */
export const BIASED: Readonly<Record<AttentionBias, readonly LayerTensor[]>> = {
  none: [],
  qkv: ["query", "key", "value"],
  all: ["query", "key", "value", "output"],
};

/** Name of a matrix's bias. */
export function biasName(matrix: string): string {
  return matrix.replace(/\.weight$/, ".bias");
}

/** Whether a tensor's name is a bias's. */
export function isBias(name: string): boolean {
  return name.endsWith(".bias");
}

/** The canonical (Hugging Face) name of a layer's tensor. */
export function layerTensorName(layer: number, tensor: LayerTensor): string {
  return `model.layers.${layer}.${LAYER_TENSORS[tensor]}`;
}

/**
 * Every tensor that a Llama of these dimensions has, by canonical name, in the order of the forward pass. The
 * shape is [outputs, inputs] for a matrix and [size] for a norm's gain or a bias.
 */
export function expectedTensors(config: ModelConfig): Map<string, readonly number[]> {
  const { hiddenSize, intermediateSize, vocabSize } = config;
  const queryWidth = config.heads * config.headDim;
  const kvWidth = config.kvHeads * config.headDim;
  const shapes: Record<LayerTensor, readonly number[]> = {
    inputNorm: [hiddenSize],
    query: [queryWidth, hiddenSize],
    key: [kvWidth, hiddenSize],
    value: [kvWidth, hiddenSize],
    output: [hiddenSize, queryWidth],
    postNorm: [hiddenSize],
    gate: [intermediateSize, hiddenSize],
    up: [intermediateSize, hiddenSize],
    down: [hiddenSize, intermediateSize],
  };
  const all = new Map<string, readonly number[]>([[EMBEDDING, [vocabSize, hiddenSize]]]);
  for (let layer = 0; layer < config.layers; layer++) {
    for (const tensor of Object.keys(LAYER_TENSORS) as LayerTensor[]) {
      const name = layerTensorName(layer, tensor);
      all.set(name, shapes[tensor]);
      if (BIASED[config.attentionBias].includes(tensor)) all.set(biasName(name), [shapes[tensor][0]!]);
    }
  }
  all.set(FINAL_NORM, [hiddenSize]);
  all.set(LM_HEAD, [vocabSize, hiddenSize]);
  return all;
}
