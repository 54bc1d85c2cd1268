import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../../../quant/eval/reference/random.ts";
import { type RawTensor, writeCheckpoint } from "../io/small-checkpoint.ts";

const [hidden, inner, vocabulary, layers] = [72, 100, 60, 2];

/** A Llama with random weights; heads of 12, keys of 6 heads shared by two. */
export function randomCheckpoint(): string {
  const random = new Random(11);
  const tensor = (shape: number[], scale: number, mean = 0): RawTensor => {
    const count = shape.reduce((a, b) => a * b, 1);
    const values = Float32Array.from({ length: count }, () => mean + scale * random.normal());
    return { dtype: "F32", shape, bytes: new Uint8Array(values.buffer) };
  };
  const tensors: Record<string, RawTensor> = {
    "model.embed_tokens.weight": tensor([vocabulary, hidden], 1),
    "model.norm.weight": tensor([hidden], 0.1, 1),
    "lm_head.weight": tensor([vocabulary, hidden], 0.2),
  };
  for (let l = 0; l < layers; l++) {
    const of = (name: string) => `model.layers.${l}.${name}.weight`;
    tensors[of("input_layernorm")] = tensor([hidden], 0.1, 1);
    tensors[of("post_attention_layernorm")] = tensor([hidden], 0.1, 1);
    tensors[of("self_attn.q_proj")] = tensor([hidden, hidden], 0.15);
    tensors[of("self_attn.k_proj")] = tensor([hidden / 2, hidden], 0.15);
    tensors[of("self_attn.v_proj")] = tensor([hidden / 2, hidden], 0.15);
    tensors[of("self_attn.o_proj")] = tensor([hidden, hidden], 0.15);
    tensors[of("mlp.gate_proj")] = tensor([inner, hidden], 0.15);
    tensors[of("mlp.up_proj")] = tensor([inner, hidden], 0.15);
    tensors[of("mlp.down_proj")] = tensor([hidden, inner], 0.15);
  }
  const folder = writeCheckpoint(tensors, {
    hidden_size: hidden,
    intermediate_size: inner,
    num_hidden_layers: layers,
    num_attention_heads: 6,
    num_key_value_heads: 3,
    head_dim: 12,
    vocab_size: vocabulary,
    max_position_embeddings: 64,
    tie_word_embeddings: false,
  });
  writeFileSync(join(folder, "tokenizer.json"), "{}");
  return folder;
}
