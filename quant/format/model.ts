import { z } from "zod";

const count = z.number().int().positive();

/** RoPE scaling as Hugging Face names it; null is plain RoPE. */
export const ropeScalingSchema = z.union([
  z.null(),
  z.object({ type: z.literal("linear"), factor: z.number().positive() }),
  z.object({
    type: z.literal("llama3"),
    factor: z.number().positive(),
    lowFreqFactor: z.number().positive(),
    highFreqFactor: z.number().positive(),
    originalMaxPositions: count,
  }),
]);

/** Which of the attention's matrices add a bias: none, those of queries, keys and values, or the output's too. */
export const attentionBiasSchema = z.enum(["none", "qkv", "all"]);

/** Shape of a Llama-family model; what a checkpoint's config.json comes down to, and what an image carries. */
export const modelConfigSchema = z.object({
  architecture: z.literal("llama"),
  hiddenSize: count,
  intermediateSize: count,
  layers: count,
  heads: count,
  kvHeads: count,
  headDim: count,
  attentionBias: attentionBiasSchema,
  vocabSize: count,
  slidingWindow: count.nullable(),
  maxPositions: count,
  rmsNormEps: z.number().positive(),
  ropeTheta: z.number().positive(),
  ropeScaling: ropeScalingSchema,
  tieWordEmbeddings: z.boolean(),
  bosId: z.number().int().nonnegative().nullable(),
  eosIds: z.array(z.number().int().nonnegative()),
});

export type ModelConfig = z.infer<typeof modelConfigSchema>;
export type AttentionBias = z.infer<typeof attentionBiasSchema>;
export type RopeScaling = z.infer<typeof ropeScalingSchema>;
