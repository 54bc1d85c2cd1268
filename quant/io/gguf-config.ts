import { z } from "zod";
import { InputError } from "../../host/errors.ts";
import { EMBEDDING, FINAL_NORM, LAYER_TENSORS, type LayerTensor, LM_HEAD } from "../format/inventory.ts";
import { ropeFrequencies } from "../format/rope.ts";
import { checkModelConfig, type ModelConfig, type RopeScaling } from "./config.ts";
import { checkSchema } from "./json-file.ts";

/** llama.cpp's names of a layer's tensors, between "blk.N." and ".weight" or ".bias". */
const LAYER_NAMES: Readonly<Record<string, LayerTensor>> = {
  attn_norm: "inputNorm",
  attn_q: "query",
  attn_k: "key",
  attn_v: "value",
  attn_output: "output",
  ffn_norm: "postNorm",
  ffn_gate: "gate",
  ffn_up: "up",
  ffn_down: "down",
};

const MODEL_NAMES: Readonly<Record<string, string>> = {
  "token_embd.weight": EMBEDDING,
  "output_norm.weight": FINAL_NORM,
  "output.weight": LM_HEAD,
};

/** Factors of RoPE frequencies, in place of scaling in the metadata (Llama 3.1 and later). */
export const ROPE_FACTORS = "rope_freqs.weight";

/** The canonical name of a tensor of llama.cpp's; its own where there is none. */
export function canonicalName(name: string): string {
  if (Object.hasOwn(MODEL_NAMES, name)) return MODEL_NAMES[name]!;
  const [, layer, tensor = "", kind] = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name) ?? [];
  if (layer === undefined || !Object.hasOwn(LAYER_NAMES, tensor)) return name;
  const of = LAYER_TENSORS[LAYER_NAMES[tensor]!];
  return `model.layers.${Number(layer)}.${kind === "bias" ? of.replace(/weight$/, "bias") : of}`;
}

/** Architectures by llama.cpp's names: Mistral, TinyLlama and SmolLM are "llama" as well. */
const ARCHITECTURES = ["llama", "qwen2"];

/** Numbers may be of 64 bits. */
const number = z.union([z.number(), z.bigint().transform(Number)]);

const metadataSchema = z.object({
  block_count: number,
  context_length: number,
  embedding_length: number,
  feed_forward_length: number,
  "attention.head_count": number,
  "attention.head_count_kv": number.optional(),
  "attention.key_length": number.optional(),
  "attention.value_length": number.optional(),
  "attention.layer_norm_rms_epsilon": number,
  "attention.sliding_window": number.optional(),
  "rope.freq_base": number.optional(),
  "rope.dimension_count": number.optional(),
  "rope.scaling.type": z.string().optional(),
  "rope.scaling.factor": number.optional(),
  expert_count: number.optional(),
});

const tokenIdsSchema = z.object({
  "tokenizer.ggml.bos_token_id": number.optional(),
  "tokenizer.ggml.eos_token_id": number.optional(),
  "tokenizer.ggml.eot_token_id": number.optional(),
});

/** What the configuration depends on besides the metadata. */
export interface GgufTensors {
  /** Canonical names. */
  readonly names: ReadonlySet<string>;
  /** Rows of the embedding. */
  readonly vocabSize: number;
  /** Values of {@link ROPE_FACTORS}. */
  readonly ropeFactors: Float32Array | undefined;
}

/**
 * The configuration of a model in a GGUF file.
 * @throws InputError MODEL_UNSUPPORTED naming what is not known, GGUF_INVALID.
 */
export function modelConfigFromGguf(
  metadata: Readonly<Record<string, unknown>>,
  { names, vocabSize, ropeFactors }: GgufTensors,
  path: string,
): ModelConfig {
  const refuse = (what: string) =>
    new InputError("MODEL_UNSUPPORTED", `${path} describes a model with ${what}, which is not supported.`, {
      hint: "Supported are Llama 2 and 3, Mistral (architecture llama), Qwen2 and Qwen2.5 (qwen2).",
    });
  const architecture = String(metadata["general.architecture"]);
  if (!ARCHITECTURES.includes(architecture)) throw refuse(`the architecture "${architecture}"`);
  const prefix = `${architecture}.`;
  const own = Object.entries(metadata).filter(([key]) => key.startsWith(prefix));
  const read = checkSchema(
    Object.fromEntries(own.map(([key, value]) => [key.slice(prefix.length), value])),
    metadataSchema,
    `${path} (${architecture})`,
  );
  if ((read.expert_count ?? 0) > 0) throw refuse(`${read.expert_count} experts`);
  const heads = read["attention.head_count"];
  const headDim = read["attention.key_length"] ?? read.embedding_length / heads;
  const turned = read["rope.dimension_count"] ?? headDim;
  if (turned !== headDim) throw refuse(`RoPE on ${turned} of ${headDim} elements of a head`);
  if ((read["attention.value_length"] ?? headDim) !== headDim)
    throw refuse("values of another size than keys");
  const scalingType = read["rope.scaling.type"] ?? "none";
  if (scalingType !== "none" && scalingType !== "linear")
    throw refuse(`RoPE scaling of type "${scalingType}"`);
  const ids = checkSchema(metadata, tokenIdsSchema, path);
  const window = read["attention.sliding_window"] ?? 0;
  const bias = (part: string) => names.has(`model.layers.0.self_attn.${part}_proj.bias`);
  const config: ModelConfig = {
    architecture: "llama",
    hiddenSize: read.embedding_length,
    intermediateSize: read.feed_forward_length,
    layers: read.block_count,
    heads,
    kvHeads: read["attention.head_count_kv"] ?? heads,
    headDim,
    attentionBias: bias("o") ? "all" : bias("q") ? "qkv" : "none",
    vocabSize,
    slidingWindow: window > 0 ? window : null,
    maxPositions: read.context_length,
    rmsNormEps: read["attention.layer_norm_rms_epsilon"],
    ropeTheta: read["rope.freq_base"] ?? 10_000,
    ropeScaling:
      scalingType === "linear" ? { type: "linear", factor: read["rope.scaling.factor"] ?? 1 } : null,
    tieWordEmbeddings: !names.has(LM_HEAD),
    bosId: ids["tokenizer.ggml.bos_token_id"] ?? 1,
    eosIds: [
      ...new Set([ids["tokenizer.ggml.eos_token_id"] ?? 2, ids["tokenizer.ggml.eot_token_id"] ?? []].flat()),
    ],
  };
  // The schema's limits before anything is sized by a number of the file.
  const checked = checkModelConfig(config, path);
  if (ropeFactors === undefined) return checked;
  const ropeScaling = llama3Scaling(checked, ropeFactors);
  if (ropeScaling === undefined) throw refuse("RoPE frequencies scaled in its own way (rope_freqs.weight)");
  return { ...checked, ropeScaling };
}

/** The scaling of Llama 3.1 and later that factors come from, with its published constants; else undefined. */
function llama3Scaling(config: ModelConfig, factors: Float32Array): RopeScaling | undefined {
  if (factors.length !== config.headDim / 2) return undefined;
  const scaling = {
    type: "llama3",
    factor: Math.round(Math.max(...factors)),
    lowFreqFactor: 1,
    highFreqFactor: 4,
    originalMaxPositions: 8192,
  } as const;
  if (!(scaling.factor >= 1)) return undefined;
  const plain = ropeFrequencies({ ...config, ropeScaling: null });
  const scaled = ropeFrequencies({ ...config, ropeScaling: scaling });
  const same = factors.every((factor, i) => Math.abs((factor * scaled[i]!) / plain[i]! - 1) < 1e-4);
  return same ? scaling : undefined;
}
