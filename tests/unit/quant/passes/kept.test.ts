import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { Random } from "../../../../quant/eval/reference/random.ts";
import { type QuantizeOptions, quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { ggufBytes, ggufName, interleave, writeGguf } from "../io/gguf-fixture.ts";
import { RANDOM_CONFIG, randomWeights, rawTensors, writeRandom } from "../io/random-checkpoint.ts";
import { newFolder } from "../io/small-checkpoint.ts";
import { storedWeights } from "./quantize-fixtures.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));

const config = { num_hidden_layers: 1 };

/** Changes the layers' matrices of a random model, row by row. */
function changed(change: (row: Float32Array, random: Random) => void): Map<string, Float32Array> {
  const random = new Random(3);
  const weights = randomWeights(config);
  const shapes = rawTensors(config, weights);
  for (const [name, values] of weights) {
    if (!name.endsWith("_proj.weight")) continue;
    const [rows, columns] = shapes[name]!.shape as [number, number];
    for (let r = 0; r < rows; r++) change(values.subarray(r * columns, (r + 1) * columns), random);
  }
  return weights;
}

/** Two of every four, anywhere. */
const sparse = changed((row, random) => {
  for (let c = 0; c < row.length; c += 4) {
    const first = random.below(4);
    row[c + first] = 0;
    row[c + ((first + 1 + random.below(3)) % 4)] = 0;
  }
});

/** On a grid of steps of 3/256, its zero-point in half steps. */
const onGrid = changed((row, random) => {
  for (let c = 0; c < row.length; c++) row[c] = (3 / 256) * (random.below(4) - 1.5);
});

/** The same model in llama.cpp's form. */
function asGguf(weights: Map<string, Float32Array>): string {
  const raw = rawTensors(config, weights);
  const tokens = Array.from(
    { length: 60 },
    (_, i) => ["<unk>", "<s>", "</s>"][i] ?? String.fromCharCode(62 + i),
  );
  const tensors = Object.fromEntries(
    [...weights].map(([name, values]) => {
      const { shape } = raw[name]!;
      const stored = /[qk]_proj/.test(name) ? interleave(values, shape[0]!, 16) : values;
      return [ggufName(name), { type: 0, shape, bytes: new Uint8Array(stored.buffer) }];
    }),
  );
  const metadata = {
    "general.architecture": { text: "llama" },
    "llama.block_count": { u32: 1 },
    "llama.context_length": { u32: 64 },
    "llama.embedding_length": { u32: RANDOM_CONFIG.hidden_size },
    "llama.feed_forward_length": { u32: RANDOM_CONFIG.intermediate_size },
    "llama.attention.head_count": { u32: 6 },
    "llama.attention.head_count_kv": { u32: 2 },
    "llama.attention.key_length": { u32: 16 },
    "llama.attention.layer_norm_rms_epsilon": { f32: 1e-5 },
    "tokenizer.ggml.model": { text: "llama" },
    "tokenizer.ggml.tokens": { texts: tokens },
    "tokenizer.ggml.scores": { floats: tokens.map((_, i) => -i) },
  };
  return writeGguf(ggufBytes(metadata, tensors));
}

const recipes: Record<string, Partial<QuantizeOptions>> = {
  fast: { recipe: "fast" },
  good: { recipe: "good" },
  trained: { method: "gptq", reconstruct: 1, finetune: 1 },
};

describe.each(Object.keys(recipes))("what recipe %s keeps", (name) => {
  const skipped = name !== "fast" && !built;

  it.skipIf(skipped).each([
    ["Hugging Face", () => writeRandom(config, sparse)],
    ["GGUF", () => asGguf(sparse)],
  ])("a mask that is 2:4 already, from %s", async (_, make) => {
    const output = join(newFolder(), "out.accllm");
    const report = await quantizeCheckpoint({
      checkpoint: make(),
      output,
      platform: "tiny",
      ...recipes[name]!,
    });
    expect(report.weights).toBe("w2s24");
    for (const [tensor, values] of sparse) {
      if (!tensor.endsWith("_proj.weight")) continue;
      const stored = await storedWeights(output, tensor);
      let added = 0;
      let kept = 0;
      for (const [i, value] of values.entries()) {
        if (value === 0 && stored[i] !== 0) added++;
        if (value !== 0 && stored[i] !== 0) kept++;
      }
      expect([tensor, added]).toEqual([tensor, 0]);
      expect(kept).toBeGreaterThan(0.3 * values.length);
    }
  });

  it.skipIf(skipped).each([
    ["Hugging Face", () => writeRandom(config, onGrid)],
    ["GGUF", () => asGguf(onGrid)],
  ])("weights on the grid, from %s", async (_, make) => {
    const output = join(newFolder(), "out.accllm");
    const checkpoint = make();
    const report = await quantizeCheckpoint({
      checkpoint,
      output,
      platform: "tiny",
      weights: "w2",
      ...recipes[name]!,
    });
    for (const [tensor, values] of onGrid) {
      if (!tensor.endsWith("_proj.weight")) continue;
      expect([tensor, Float32Array.from(await storedWeights(output, tensor))]).toEqual([tensor, values]);
      expect(report.tensors.find((one) => one.name === tensor)).toMatchObject({
        exact: true,
        roundedRows: 0,
      });
    }
  });
});
