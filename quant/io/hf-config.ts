import { z } from "zod";
import { InputError } from "../../host/errors.ts";
import type { AttentionBias } from "../format/model.ts";
import { checkModelConfig, MODEL_LIMITS, type ModelConfig } from "./config.ts";

const tokenIds = z.union([z.number().int(), z.array(z.number().int()).max(MODEL_LIMITS.eosIds)]).nullish();

const ropeParametersSchema = z.looseObject({
  rope_type: z.string().optional(),
  type: z.string().optional(),
  rope_theta: z.number().optional(),
});

/** config.json as Hugging Face transformers writes it; fields that change nothing here are let pass. */
export const hfConfigSchema = z.looseObject({
  architectures: z.array(z.string()).nullish(),
  model_type: z.string().nullish(),
  hidden_size: z.number(),
  intermediate_size: z.number(),
  num_hidden_layers: z.number(),
  num_attention_heads: z.number(),
  num_key_value_heads: z.number().nullish(),
  head_dim: z.number().nullish(),
  vocab_size: z.number(),
  max_position_embeddings: z.number().nullish(),
  rms_norm_eps: z.number().nullish(),
  rope_theta: z.number().nullish(),
  rope_scaling: ropeParametersSchema.nullish(),
  rope_parameters: ropeParametersSchema.nullish(),
  partial_rotary_factor: z.number().nullish(),
  hidden_act: z.string().nullish(),
  attention_bias: z.boolean().nullish(),
  mlp_bias: z.boolean().nullish(),
  sliding_window: z.number().nullish(),
  use_sliding_window: z.boolean().nullish(),
  max_window_layers: z.number().nullish(),
  layer_types: z.array(z.string()).max(MODEL_LIMITS.layers).nullish(),
  tie_word_embeddings: z.boolean().nullish(),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
  quantization_config: z.unknown().optional(),
});

export const hfGenerationConfigSchema = z.looseObject({ eos_token_id: tokenIds });

type HfConfig = z.infer<typeof hfConfigSchema>;

/** What a family does in its own way. */
interface Family {
  readonly modelType: string;
  attentionBias(hf: HfConfig): AttentionBias;
  /** Whether a layer attends to the sliding window only, where the configuration does not list the layers. */
  slides(hf: HfConfig, layer: number): boolean;
  /** The window where the configuration names none; null where there is none then. */
  readonly defaultWindow: number | null;
}

/** After the families' configuration and model classes in transformers. */
const FAMILIES: Readonly<Record<string, Family>> = {
  LlamaForCausalLM: {
    modelType: "llama",
    attentionBias: (hf) => (hf.attention_bias === true ? "all" : "none"),
    slides: () => false,
    defaultWindow: null,
  },
  MistralForCausalLM: {
    modelType: "mistral",
    attentionBias: () => "none",
    slides: () => true,
    defaultWindow: 4096,
  },
  Qwen2ForCausalLM: {
    modelType: "qwen2",
    attentionBias: () => "qkv",
    slides: (hf, layer) => hf.use_sliding_window === true && layer >= (hf.max_window_layers ?? 28),
    defaultWindow: 4096,
  },
};

/** Architectures that users may well try, and what of them the kernel has not. */
const MISSING: readonly (readonly [RegExp, string])[] = [
  [/moe|mixtral|deepseek/i, "It has layers of experts, which the kernel has not."],
  [/^qwen3|^olmo2/i, "It normalizes queries and keys, which the kernel does not."],
  [/^gemma/i, "Its norms, activation and scaled embeddings are not the kernel's."],
  [/^phi3/i, "Its projections are fused."],
  [/^smollm3/i, "Some of its layers have no position embedding."],
];

const SUPPORTED =
  "Supported are Llama 2 and 3 (TinyLlama, SmolLM and others of that form), Mistral, Qwen2 and Qwen2.5.";

/**
 * Turns a Hugging Face config.json, and generation_config.json where there is one, into a ModelConfig. Defaults
 * are those of transformers.
 * @throws InputError naming what is unknown or out of range.
 */
export function modelConfigFromHf(
  hf: HfConfig,
  generation: z.infer<typeof hfGenerationConfigSchema> | null,
  label: string,
): ModelConfig {
  const family = familyOf(hf, label);
  requireSupported(hf, label);
  const rope = { ...hf.rope_scaling, ...hf.rope_parameters };
  const config = {
    architecture: "llama",
    hiddenSize: hf.hidden_size,
    intermediateSize: hf.intermediate_size,
    layers: hf.num_hidden_layers,
    heads: hf.num_attention_heads,
    kvHeads: hf.num_key_value_heads ?? hf.num_attention_heads,
    headDim: hf.head_dim ?? hf.hidden_size / hf.num_attention_heads,
    attentionBias: family.attentionBias(hf),
    vocabSize: hf.vocab_size,
    slidingWindow: null,
    maxPositions: hf.max_position_embeddings ?? 2048,
    rmsNormEps: hf.rms_norm_eps ?? 1e-6,
    ropeTheta: rope.rope_theta ?? hf.rope_theta ?? 10_000,
    ropeScaling: ropeScalingFromHf(rope, label),
    tieWordEmbeddings: hf.tie_word_embeddings ?? false,
    bosId: asList(hf.bos_token_id)[0] ?? 1,
    eosIds: [...new Set([...asList(hf.eos_token_id ?? 2), ...asList(generation?.eos_token_id)])],
  };
  const { layers } = checkModelConfig(config, label);
  return checkModelConfig({ ...config, slidingWindow: slidingWindow(hf, family, layers, label) }, label);
}

function asList(ids: number | number[] | null | undefined): number[] {
  if (ids === null || ids === undefined) return [];
  return Array.isArray(ids) ? ids : [ids];
}

function unsupported(label: string, what: string, hint = SUPPORTED): InputError {
  const message = `${label} describes a model with ${what}, which is not supported.`;
  return new InputError("MODEL_UNSUPPORTED", message, { hint });
}

function familyOf(hf: HfConfig, label: string): Family {
  const architecture = hf.architectures?.[0];
  if (architecture === undefined) {
    const family = Object.values(FAMILIES).find(({ modelType }) => modelType === hf.model_type);
    if (family !== undefined) return family;
    throw unsupported(label, `no "architectures" and model_type "${hf.model_type ?? "(none)"}"`);
  }
  if (Object.hasOwn(FAMILIES, architecture)) return FAMILIES[architecture]!;
  const reason = MISSING.find(([pattern]) => pattern.test(architecture))?.[1];
  const hint = reason === undefined ? SUPPORTED : `${reason} ${SUPPORTED}`;
  throw unsupported(label, `the architecture "${architecture}"`, hint);
}

function requireSupported(hf: HfConfig, label: string): void {
  const activation = hf.hidden_act ?? "silu";
  if (activation !== "silu" && activation !== "swish") {
    throw unsupported(label, `hidden_act "${activation}"`, "Only silu is.");
  }
  if (hf.mlp_bias === true) throw unsupported(label, "mlp_bias true");
  if ((hf.partial_rotary_factor ?? 1) !== 1) {
    throw unsupported(label, `partial_rotary_factor ${hf.partial_rotary_factor}`);
  }
}

/** The window that all layers attend to; null where none has one. */
function slidingWindow(hf: HfConfig, family: Family, layers: number, label: string): number | null {
  const window = hf.sliding_window === undefined ? family.defaultWindow : hf.sliding_window;
  if (window === null) return null;
  const slides = (layer: number) =>
    hf.layer_types ? hf.layer_types[layer] === "sliding_attention" : family.slides(hf, layer);
  let sliding = 0;
  for (let layer = 0; layer < layers; layer++) sliding += Number(slides(layer));
  if (sliding === 0) return null;
  if (sliding === layers) return window;
  throw unsupported(
    label,
    `a sliding window in ${sliding} of its ${layers} layers`,
    "All or none may have one.",
  );
}

function ropeScalingFromHf(rope: z.infer<typeof ropeParametersSchema>, label: string): unknown {
  const type = rope.rope_type ?? rope.type ?? "default";
  switch (type) {
    case "default":
      return null;
    case "linear":
      return { type, factor: rope.factor };
    case "llama3":
      return {
        type,
        factor: rope.factor,
        lowFreqFactor: rope.low_freq_factor,
        highFreqFactor: rope.high_freq_factor,
        originalMaxPositions: rope.original_max_position_embeddings,
      };
    default:
      throw new InputError(
        "MODEL_UNSUPPORTED",
        `${label} asks for RoPE scaling of type "${type}", which is not supported.`,
        { hint: "Supported are none, linear and llama3." },
      );
  }
}
