import { z } from "zod";
import { attentionBiasSchema } from "../format/model.ts";
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
    /** Which of the attention's matrices add a bias. */
    attentionBias: attentionBiasSchema,
    vocabSize: count(MODEL_LIMITS.vocabSize),
    /** Latest positions that a token attends to in training, itself included; null where it is all of them. */
    slidingWindow: count(MODEL_LIMITS.maxPositions).nullable(),
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
