import type { ModelConfig } from "../../quant/format/model.ts";

const common = {
  architecture: "llama" as const,
  attentionBias: "none" as const,
  slidingWindow: null,
  rmsNormEps: 1e-5,
  ropeTheta: 10000,
  ropeScaling: null,
  bosId: 1,
  eosIds: [2],
} satisfies Partial<ModelConfig>;

/** Shapes of well-known models, for measurements without their weights. */
export const benchShapes = {
  /** TinyLlama-1.1B (config.json of TinyLlama-1.1B-Chat-v1.0). */
  "tinyllama-1.1b": {
    ...common,
    hiddenSize: 2048,
    intermediateSize: 5632,
    layers: 22,
    heads: 32,
    kvHeads: 4,
    headDim: 64,
    vocabSize: 32000,
    maxPositions: 2048,
    tieWordEmbeddings: false,
  },
  /** Small enough for tests, with a row length that is no multiple of the group. */
  tiny: {
    ...common,
    hiddenSize: 96,
    intermediateSize: 160,
    layers: 2,
    heads: 4,
    kvHeads: 2,
    headDim: 32,
    vocabSize: 300,
    maxPositions: 2048,
    tieWordEmbeddings: false,
  },
} satisfies Record<string, ModelConfig>;
