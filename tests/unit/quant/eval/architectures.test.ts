import { describe, expect, it } from "vitest";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { RANDOM_CONFIG, randomWeights, writeRandom } from "../io/random-checkpoint.ts";
import { type FloatLayer, floatLogits } from "./reference/float-llama.ts";

/** theta^(-2i/D). */
const plain = (theta: number) => Array.from({ length: 8 }, (_, i) => theta ** (-i / 8));

interface Case {
  readonly config: Record<string, unknown>;
  readonly frequencies?: readonly number[];
  /** Latest tokens that are attended. */
  readonly window?: number;
}

const llama3 = {
  rope_type: "llama3",
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 64,
};

/** Each family as its config.json has it, and what its published model class makes of that. */
const CASES: Record<string, Case> = {
  "Llama 2": { config: { architectures: ["LlamaForCausalLM"], rope_theta: 10_000 } },
  "TinyLlama, linear scaling": {
    config: { architectures: ["LlamaForCausalLM"], rope_scaling: { type: "linear", factor: 4 } },
    frequencies: plain(10_000).map((f) => f / 4),
  },
  "Llama 3.1": {
    config: { architectures: ["LlamaForCausalLM"], rope_theta: 500_000, rope_scaling: llama3 },
    // Wavelengths 6.28, 32.4, 167, ...: shorter than 64 / 4, between 16 and 64, longer than 64. The second is
    // blended: 64 / 32.4012 = 1.97523, less 1, over 3, is 0.325077.
    frequencies: plain(500_000).map((f, i) =>
      i === 0 ? f : i === 1 ? f * (0.325077 + 0.674923 / 8) : f / 8,
    ),
  },
  "Llama with biases": { config: { architectures: ["LlamaForCausalLM"], attention_bias: true } },
  "SmolLM, tied": {
    config: { architectures: ["LlamaForCausalLM"], tie_word_embeddings: true, rope_theta: 100_000 },
    frequencies: plain(100_000),
  },
  "Mistral, sliding window": {
    config: { architectures: ["MistralForCausalLM"], sliding_window: 7 },
    window: 7,
  },
  "Qwen2.5": {
    config: {
      architectures: ["Qwen2ForCausalLM"],
      rope_theta: 1e6,
      tie_word_embeddings: true,
      use_sliding_window: false,
      sliding_window: 7,
      max_window_layers: 1,
    },
    frequencies: plain(1e6),
  },
};

describe("families of models", () => {
  it.each(Object.keys(CASES))("%s is the textbook's", async (name) => {
    const { config, frequencies = plain(10_000), window = 1000 } = CASES[name]!;
    const weights = randomWeights(config);
    const checkpoint = await openCheckpoint(writeRandom(config, weights));
    const model = await FloatModel.load(checkpoint);
    await checkpoint.close();
    const tokens = Array.from({ length: 20 }, (_, i) => (i * i + 3 * i) % 60);

    const matrix = (name: string, columns = 48): number[][] => {
      const values = weights.get(name)!;
      const rows = Array.from({ length: values.length / columns }, (_, r) => r * columns);
      return rows.map((from) => [...values.subarray(from, from + columns)]);
    };
    const layers = [0, 1].map((l): FloatLayer => {
      const of = (part: string) => `model.layers.${l}.${part}`;
      const bias = (part: string) => {
        const values = weights.get(of(`self_attn.${part}_proj.bias`));
        return values === undefined ? {} : { [part]: [...values] };
      };
      return {
        q: matrix(of("self_attn.q_proj.weight")),
        k: matrix(of("self_attn.k_proj.weight")),
        v: matrix(of("self_attn.v_proj.weight")),
        o: matrix(of("self_attn.o_proj.weight"), 96),
        gate: matrix(of("mlp.gate_proj.weight")),
        up: matrix(of("mlp.up_proj.weight")),
        down: matrix(of("mlp.down_proj.weight"), 72),
        bias: { ...bias("q"), ...bias("k"), ...bias("v"), ...bias("o") },
        attentionGain: [...weights.get(of("input_layernorm.weight"))!],
        mlpGain: [...weights.get(of("post_attention_layernorm.weight"))!],
        keyMeans: [new Array(16).fill(0), new Array(16).fill(0)],
      };
    });
    const embedding = matrix("model.embed_tokens.weight");
    const shape = {
      heads: 6,
      kvHeads: 2,
      headDim: 16,
      epsilon: RANDOM_CONFIG.rms_norm_eps,
      sinks: 0,
      window,
      frequencies,
      block: null,
      start: 0,
    };
    const inputs = tokens.map((id) => embedding[id]!);
    const gain = [...weights.get("model.norm.weight")!];
    const head = weights.has("lm_head.weight") ? matrix("lm_head.weight") : embedding;
    const expected = floatLogits(shape, layers, inputs, gain, head);
    const logits = model.forward(tokens);
    for (const [i, logit] of expected.entries()) expect(Math.abs(logits[i]! - logit)).toBeLessThan(2e-4);
  });
});
