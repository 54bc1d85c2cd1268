import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { Random } from "../../../../quant/eval/reference/random.ts";
import { expectedTensors } from "../../../../quant/format/inventory.ts";
import { hfConfigSchema, modelConfigFromHf } from "../../../../quant/io/hf-config.ts";
import { checkSchema } from "../../../../quant/io/json-file.ts";
import { newFolder, type RawTensor, SMALL_CONFIG, safetensors } from "./small-checkpoint.ts";

/** A small model: heads of 16, two layers, 48 hidden elements. */
export const RANDOM_CONFIG = {
  ...SMALL_CONFIG,
  hidden_size: 48,
  intermediate_size: 72,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 60,
  max_position_embeddings: 64,
};

/** Random weights by name for a config.json: norms around 1, biases of the size of what they are added to. */
export function randomWeights(config: Record<string, unknown>, seed = 1): Map<string, Float32Array> {
  const random = new Random(seed);
  const model = modelConfigFromHf(
    checkSchema({ ...RANDOM_CONFIG, ...config }, hfConfigSchema, "config"),
    null,
    "config",
  );
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of expectedTensors(model)) {
    if (model.tieWordEmbeddings && name === "lm_head.weight") continue;
    const length = shape.reduce((a, b) => a * b, 1);
    const [mean, deviation] = name.includes("norm")
      ? [1, 0.1]
      : [0, shape.length === 1 || name.includes("embed") ? 1 : 1.5 / Math.sqrt(shape[1]!)];
    weights.set(
      name,
      Float32Array.from({ length }, () => mean + deviation * random.normal()),
    );
  }
  return weights;
}

/** Writes a folder in Hugging Face form with tokenizer.json, as far as it is needed for quantizing. */
export function writeFolder(config: Record<string, unknown>, tensors: Record<string, RawTensor>): string {
  const folder = newFolder();
  writeFileSync(join(folder, "config.json"), JSON.stringify({ ...RANDOM_CONFIG, ...config }));
  writeFileSync(join(folder, "tokenizer.json"), "{}");
  writeFileSync(join(folder, "model.safetensors"), safetensors(tensors));
  return folder;
}

/** The weights as float32 tensors: [rows, length / rows], or a vector where it is a norm or a bias. */
export function rawTensors(
  config: Record<string, unknown>,
  weights: ReadonlyMap<string, Float32Array>,
): Record<string, RawTensor> {
  const all = { ...RANDOM_CONFIG, ...config };
  const model = modelConfigFromHf(checkSchema(all, hfConfigSchema, "config"), null, "config");
  const shapes = expectedTensors(model);
  return Object.fromEntries(
    [...weights].map(([name, values]) => [
      name,
      { dtype: "F32", shape: [...shapes.get(name)!], bytes: new Uint8Array(values.buffer) },
    ]),
  );
}

/** Writes a random model; @returns the folder. */
export function writeRandom(config: Record<string, unknown>, weights = randomWeights(config)): string {
  return writeFolder(config, rawTensors(config, weights));
}
