import { describe, expect, it } from "vitest";
import { InputError } from "../../../../host/errors.ts";
import {
  hfConfigSchema,
  hfGenerationConfigSchema,
  modelConfigFromHf,
} from "../../../../quant/io/hf-config.ts";
import { checkSchema } from "../../../../quant/io/json-file.ts";
import { SMALL_CONFIG } from "./small-checkpoint.ts";

const read = (fields: Record<string, unknown> = {}, generation?: Record<string, unknown>) =>
  modelConfigFromHf(
    checkSchema({ ...SMALL_CONFIG, ...fields }, hfConfigSchema, "config.json"),
    generation === undefined
      ? null
      : checkSchema(generation, hfGenerationConfigSchema, "generation_config.json"),
    "config.json",
  );

describe("modelConfigFromHf", () => {
  it("reads the dimensions", () => {
    expect(read()).toEqual({
      architecture: "llama",
      hiddenSize: 8,
      intermediateSize: 12,
      layers: 2,
      heads: 4,
      kvHeads: 2,
      headDim: 2,
      attentionBias: "none",
      vocabSize: 10,
      slidingWindow: null,
      maxPositions: 32,
      rmsNormEps: 1e-5,
      ropeTheta: 10000,
      ropeScaling: null,
      tieWordEmbeddings: false,
      bosId: 1,
      eosIds: [2],
    });
  });

  it("takes transformers' defaults for what old files leave out", () => {
    const fields = {
      num_key_value_heads: null,
      rms_norm_eps: undefined,
      rope_theta: undefined,
      eos_token_id: null,
    };
    expect(read(fields)).toMatchObject({ kvHeads: 4, rmsNormEps: 1e-6, ropeTheta: 10000, eosIds: [2] });
  });

  it("lets head_dim differ from hidden_size / heads", () => {
    expect(read({ head_dim: 6 }).headDim).toBe(6);
  });

  it("joins the end tokens of both files", () => {
    expect(read({ eos_token_id: [3, 4] }, { eos_token_id: [4, 5] }).eosIds).toEqual([3, 4, 5]);
    expect(read({}, {}).eosIds).toEqual([2]);
  });

  it("reads both spellings of RoPE scaling", () => {
    const llama3 = {
      rope_type: "llama3",
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 8192,
    };
    const scaling = {
      type: "llama3",
      factor: 8,
      lowFreqFactor: 1,
      highFreqFactor: 4,
      originalMaxPositions: 8192,
    };
    expect(read({ rope_scaling: llama3 }).ropeScaling).toEqual(scaling);
    const moved = read({ rope_theta: undefined, rope_parameters: { ...llama3, rope_theta: 5e5 } });
    expect(moved).toMatchObject({ ropeTheta: 5e5, ropeScaling: scaling });
    expect(read({ rope_scaling: { type: "linear", factor: 2 } }).ropeScaling).toEqual({
      type: "linear",
      factor: 2,
    });
    expect(read({ rope_parameters: { rope_type: "default", rope_theta: 5 } }).ropeScaling).toBeNull();
  });

  const of = (name: string, fields: Record<string, unknown>) =>
    read({ architectures: [`${name}ForCausalLM`], ...fields });

  it("reads Mistral's sliding window, which is 4096 where the file says nothing of it", () => {
    expect(of("Mistral", { sliding_window: null }).slidingWindow).toBeNull();
    expect(of("Mistral", { sliding_window: 16 }).slidingWindow).toBe(16);
    expect(of("Mistral", {})).toMatchObject({ slidingWindow: 4096, attentionBias: "none" });
    expect(of("Llama", { sliding_window: 16 }).slidingWindow).toBeNull();
  });

  it("reads Qwen2: biases always, a sliding window where all layers use it", () => {
    const published = { sliding_window: 131_072, use_sliding_window: false, max_window_layers: 28 };
    expect(of("Qwen2", published)).toMatchObject({ attentionBias: "qkv", slidingWindow: null });
    expect(of("Qwen2", { ...published, use_sliding_window: true }).slidingWindow).toBeNull();
    const all = { sliding_window: 16, use_sliding_window: true, max_window_layers: 0 };
    expect(of("Qwen2", all).slidingWindow).toBe(16);
    expect(
      of("Qwen2", { ...all, layer_types: ["full_attention", "full_attention"] }).slidingWindow,
    ).toBeNull();
    for (const mixed of [
      { ...all, max_window_layers: 1 },
      { ...all, layer_types: ["full_attention", "sliding_attention"] },
    ]) {
      expect(() => of("Qwen2", mixed)).toThrow(/sliding window in 1 of its 2 layers/);
    }
  });

  it("reads a Llama's biases of all four matrices", () => {
    expect(read({ attention_bias: true }).attentionBias).toBe("all");
    expect(read({ attention_bias: false }).attentionBias).toBe("none");
  });

  it("takes model_type where no architecture is named", () => {
    expect(read({ architectures: undefined, model_type: "qwen2" }).attentionBias).toBe("qkv");
  });

  it.each([
    ["MixtralForCausalLM", /experts/],
    ["Qwen2MoeForCausalLM", /experts/],
    ["Qwen3ForCausalLM", /normalizes queries and keys/],
    ["Gemma2ForCausalLM", /norms, activation/],
    ["Phi3ForCausalLM", /fused/],
    ["SmolLM3ForCausalLM", /no position embedding/],
    ["constructor", /Supported are/],
  ])("names %s and says why not", (name, reason) => {
    expect(() => read({ architectures: [name] })).toThrow(
      expect.objectContaining({
        exitCode: 3,
        message: expect.stringContaining(`"${name}"`),
        hint: expect.stringMatching(reason),
      }),
    );
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ architectures: ["GPT2LMHeadModel"] }, /architecture "GPT2LMHeadModel"/],
    [{ architectures: undefined, model_type: "bert" }, /model_type "bert"/],
    [{ architectures: undefined, model_type: undefined }, /model_type "\(none\)"/],
    [{ hidden_act: "gelu" }, /hidden_act "gelu"/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ partial_rotary_factor: 0.5 }, /partial_rotary_factor/],
    [{ rope_scaling: { rope_type: "yarn", factor: 2 } }, /"yarn"/],
    [{ rope_scaling: { type: "dynamic", factor: 2 } }, /"dynamic"/],
    [{ rope_scaling: { rope_type: "longrope" } }, /"longrope"/],
    [{ rope_scaling: { type: "linear" } }, /ropeScaling\.factor/],
    [{ rope_scaling: { type: "linear", factor: 0.5 } }, /ropeScaling\.factor/],
    [{ hidden_size: 10 }, /hiddenSize/],
    [{ hidden_size: 1e9 }, /hiddenSize/],
    [{ hidden_size: "8" }, /hidden_size/],
    [{ num_hidden_layers: 0 }, /layers/],
    [{ num_hidden_layers: 1e9 }, /layers/],
    [{ num_attention_heads: 0 }, /heads|headDim/],
    [{ num_attention_heads: 3 }, /headDim/],
    [{ num_attention_heads: 8 }, /headDim/],
    [{ num_key_value_heads: 3 }, /4 heads cannot be shared among 3/],
    [{ head_dim: 3 }, /headDim/],
    [{ vocab_size: 1e12 }, /vocabSize/],
    [{ intermediate_size: 1.5 }, /intermediateSize/],
    [{ rms_norm_eps: 0 }, /rmsNormEps/],
    [{ rope_theta: -1 }, /ropeTheta/],
    [{ bos_token_id: 10 }, /token id 10 is outside/],
    [{ eos_token_id: [2, -1] }, /eosIds/],
  ])("refuses %j", (fields, message) => {
    expect(() => read(fields)).toThrow(InputError);
    expect(() => read(fields)).toThrow(message);
    expect(() => read(fields)).toThrow(/config\.json/);
  });
});
