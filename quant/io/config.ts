import { z } from "zod";
import { InputError } from "../../host/errors.ts";
import { checkSchema } from "./json-file.ts";

/** Largest accepted model dimensions. A file that claims more is refused before anything is allocated. */
export const MODEL_LIMITS = {
  hiddenSize: 65_536,
  intermediateSize: 1 << 20,
  layers: 1_024,
  heads: 1_024,
  headDim: 1_024,
  vocabSize: 1 << 22,
  maxPositions: 1 << 24,
  ropeTheta: 1e12,
  ropeFactor: 1e6,
  eosIds: 64,
} as const;

const count = (max: number) => z.number().int().min(1).max(max);
const factor = z.number().min(1).max(MODEL_LIMITS.ropeFactor);
const positive = z.number().gt(0).max(MODEL_LIMITS.ropeFactor);

const ropeScalingSchema = z.discriminatedUnion("type", [
  z.strictObject({ type: z.literal("linear"), factor }),
  z.strictObject({
    type: z.literal("llama3"),
    factor,
    lowFreqFactor: positive,
    highFreqFactor: positive,
    originalMaxPositions: count(MODEL_LIMITS.maxPositions),
  }),
]);

/** The dimensions and constants of a Llama-family model, whatever file they came from. */
export const modelConfigSchema = z
  .strictObject({
    architecture: z.literal("llama"),
    /** Width of the residual stream; a multiple of 4. */
    hiddenSize: count(MODEL_LIMITS.hiddenSize).multipleOf(4),
    intermediateSize: count(MODEL_LIMITS.intermediateSize),
    layers: count(MODEL_LIMITS.layers),
    /** Query heads; heads * headDim may differ from hiddenSize. */
    heads: count(MODEL_LIMITS.heads),
    /** Key/value heads; divides heads. */
    kvHeads: count(MODEL_LIMITS.heads),
    headDim: count(MODEL_LIMITS.headDim).multipleOf(2),
    vocabSize: count(MODEL_LIMITS.vocabSize),
    /** Positions the model was trained for. */
    maxPositions: count(MODEL_LIMITS.maxPositions),
    rmsNormEps: z.number().gt(0).lt(1),
    ropeTheta: z.number().min(1).max(MODEL_LIMITS.ropeTheta),
    ropeScaling: ropeScalingSchema.nullable(),
    tieWordEmbeddings: z.boolean(),
    bosId: z.number().int().min(0),
    /** Ids that end a generation, the model's own first. */
    eosIds: z.array(z.number().int().min(0)).max(MODEL_LIMITS.eosIds),
  })
  .superRefine((config, context) => {
    const fail = (path: string, message: string) =>
      context.addIssue({ code: "custom", path: [path], message });
    if (config.heads % config.kvHeads !== 0) {
      fail("kvHeads", `${config.heads} heads cannot be shared among ${config.kvHeads} key/value heads`);
    }
    for (const id of [config.bosId, ...config.eosIds]) {
      if (id >= config.vocabSize)
        fail("eosIds", `token id ${id} is outside the vocabulary of ${config.vocabSize}`);
    }
    const scaling = config.ropeScaling;
    if (scaling?.type === "llama3" && scaling.highFreqFactor <= scaling.lowFreqFactor) {
      fail("ropeScaling", "highFreqFactor must be greater than lowFreqFactor");
    }
  });

export type ModelConfig = z.infer<typeof modelConfigSchema>;
export type RopeScaling = NonNullable<ModelConfig["ropeScaling"]>;

/** Checks a ModelConfig of any origin. @throws InputError naming the field. */
export function checkModelConfig(config: unknown, label: string): ModelConfig {
  return checkSchema(config, modelConfigSchema, label);
}

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
  tie_word_embeddings: z.boolean().nullish(),
  bos_token_id: tokenIds,
  eos_token_id: tokenIds,
  quantization_config: z.unknown().optional(),
});

export const hfGenerationConfigSchema = z.looseObject({ eos_token_id: tokenIds });

type HfConfig = z.infer<typeof hfConfigSchema>;

const ARCHITECTURES = ["LlamaForCausalLM", "MistralForCausalLM"];
const MODEL_TYPES = ["llama", "mistral"];
const SUPPORTED = `Supported are ${ARCHITECTURES.join(" and ")} (without sliding window).`;

/**
 * Turns a Hugging Face config.json, and generation_config.json where there is one, into a ModelConfig. Defaults
 * are those of transformers' LlamaConfig.
 * @throws InputError naming what is unknown or out of range.
 */
export function modelConfigFromHf(
  hf: HfConfig,
  generation: z.infer<typeof hfGenerationConfigSchema> | null,
  label: string,
): ModelConfig {
  requireSupported(hf, label);
  const rope = { ...hf.rope_scaling, ...hf.rope_parameters };
  return checkModelConfig(
    {
      architecture: "llama",
      hiddenSize: hf.hidden_size,
      intermediateSize: hf.intermediate_size,
      layers: hf.num_hidden_layers,
      heads: hf.num_attention_heads,
      kvHeads: hf.num_key_value_heads ?? hf.num_attention_heads,
      headDim: hf.head_dim ?? hf.hidden_size / hf.num_attention_heads,
      vocabSize: hf.vocab_size,
      maxPositions: hf.max_position_embeddings ?? 2048,
      rmsNormEps: hf.rms_norm_eps ?? 1e-6,
      ropeTheta: rope.rope_theta ?? hf.rope_theta ?? 10_000,
      ropeScaling: ropeScalingFromHf(rope, label),
      tieWordEmbeddings: hf.tie_word_embeddings ?? false,
      bosId: asList(hf.bos_token_id)[0] ?? 1,
      eosIds: [...new Set([...asList(hf.eos_token_id ?? 2), ...asList(generation?.eos_token_id)])],
    },
    label,
  );
}

function asList(ids: number | number[] | null | undefined): number[] {
  if (ids === null || ids === undefined) return [];
  return Array.isArray(ids) ? ids : [ids];
}

function requireSupported(hf: HfConfig, label: string): void {
  const refuse = (what: string, hint = SUPPORTED) => {
    throw new InputError(
      "MODEL_UNSUPPORTED",
      `${label} describes a model with ${what}, which is not supported.`,
      {
        hint,
      },
    );
  };
  const architecture = hf.architectures?.[0];
  if (architecture !== undefined) {
    if (!ARCHITECTURES.includes(architecture)) refuse(`the architecture "${architecture}"`);
  } else if (hf.model_type === undefined || hf.model_type === null || !MODEL_TYPES.includes(hf.model_type)) {
    refuse(`no "architectures" and model_type "${hf.model_type ?? "(none)"}"`);
  }
  const activation = hf.hidden_act ?? "silu";
  if (activation !== "silu" && activation !== "swish") refuse(`hidden_act "${activation}"`, "Only silu is.");
  if (hf.attention_bias === true) refuse("attention_bias true");
  if (hf.mlp_bias === true) refuse("mlp_bias true");
  if (typeof hf.sliding_window === "number") refuse(`sliding_window ${hf.sliding_window}`);
  if ((hf.partial_rotary_factor ?? 1) !== 1) refuse(`partial_rotary_factor ${hf.partial_rotary_factor}`);
  if (hf.quantization_config !== undefined && hf.quantization_config !== null) {
    refuse("a quantization_config", "Give the checkpoint in float32, float16 or bfloat16.");
  }
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
