import type { ModelConfig } from "../../quant/format/model.ts";

type Dimensions = readonly [
  hiddenSize: number,
  intermediateSize: number,
  layers: number,
  heads: number,
  kvHeads: number,
  headDim: number,
  vocabSize: number,
  tieWordEmbeddings: boolean,
];

/** Dimensions from the models' public config.json files. */
const dimensions = {
  "tinyllama-1.1b": [2048, 5632, 22, 32, 4, 64, 32_000, false],
  "llama-2-7b": [4096, 11_008, 32, 32, 32, 128, 32_000, false],
  "llama-2-13b": [5120, 13_824, 40, 40, 40, 128, 32_000, false],
  "llama-3-8b": [4096, 14_336, 32, 32, 8, 128, 128_256, false],
  "llama-3.2-1b": [2048, 8192, 16, 32, 8, 64, 128_256, true],
  "qwen2.5-0.5b": [896, 4864, 24, 14, 2, 64, 151_936, true],
  "qwen2.5-1.5b": [1536, 8960, 28, 12, 2, 128, 151_936, true],
  "qwen2.5-3b": [2048, 11_008, 36, 16, 2, 128, 151_936, true],
  "qwen2.5-7b": [3584, 18_944, 28, 28, 4, 128, 152_064, false],
} as const satisfies Record<string, Dimensions>;

export type KnownModel = keyof typeof dimensions;
export const knownModels = Object.keys(dimensions) as KnownModel[];

/** The shape of a model by its name, upper or lower case; undefined for an unknown name. */
export function knownModel(name: string): ModelConfig | undefined {
  const key = knownModels.find((known) => known === name.toLowerCase());
  if (key === undefined) return undefined;
  const [hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize, tied] = dimensions[key];
  return {
    architecture: "llama",
    hiddenSize,
    intermediateSize,
    layers,
    heads,
    kvHeads,
    headDim,
    attentionBias: key.startsWith("qwen2.5") ? "qkv" : "none",
    vocabSize,
    slidingWindow: null,
    maxPositions: 4096,
    rmsNormEps: 1e-5,
    ropeTheta: 10_000,
    ropeScaling: null,
    tieWordEmbeddings: tied,
    bosId: null,
    eosIds: [],
  };
}
