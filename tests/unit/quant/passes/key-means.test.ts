import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { loadFloatWeights } from "../../../../quant/eval/float-weights.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { readImageContents } from "../../../../quant/format/image-reference.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { calibrateKeyMeans } from "../../../../quant/passes/key-means.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { sampleToken, writeSequences } from "../../../../quant/passes/self-text.ts";
import { demoCheckpoint } from "../../shared-data.ts";
import { newFolder } from "../io/small-checkpoint.ts";

function textFile(text: string | Uint8Array): string {
  const path = join(newFolder(), "text.txt");
  writeFileSync(path, text);
  return path;
}

const ignore = () => {};

describe("calibrateKeyMeans", () => {
  it("averages the first layer's keys, which follow from the embeddings alone", async () => {
    const checkpoint = await openCheckpoint(demoCheckpoint);
    try {
      const seen: number[] = [];
      const model = await FloatModel.load(checkpoint);
      const sequences = await writeSequences(model, { count: 4, length: 128, seed: 1, onToken: ignore });
      seen.push(...sequences.flat());
      const { embedding, layers } = await loadFloatWeights(checkpoint);
      const { key, inputNorm } = layers[0]!;
      const expected = new Float64Array(key.rows);
      for (const id of seen) {
        const x = embedding.values.subarray(id * key.cols, (id + 1) * key.cols);
        const norm = Math.sqrt(
          x.reduce((sum, v) => sum + v * v, 0) / key.cols + checkpoint.config.rmsNormEps,
        );
        for (let row = 0; row < key.rows; row++) {
          let dot = 0;
          for (let i = 0; i < key.cols; i++) {
            dot += key.values[row * key.cols + i]! * (x[i]! / norm) * inputNorm[i]!;
          }
          expected[row]! += dot / seen.length;
        }
      }
      const means = await calibrateKeyMeans(checkpoint, { onProgress: ignore });
      expect(means.length).toBe(checkpoint.config.layers);
      for (const [row, mean] of means[0]!.entries()) expect(mean).toBeCloseTo(expected[row]!, 4);
      expect(Math.max(...means[0]!.map(Math.abs))).toBeGreaterThan(0.05);
    } finally {
      await checkpoint.close();
    }
  });

  it("depends on the text that is given, and tells progress up to 1", async () => {
    const checkpoint = await openCheckpoint(demoCheckpoint);
    try {
      const parts: number[] = [];
      const onProgress = (part: number) => parts.push(part);
      const cat = await calibrateKeyMeans(checkpoint, { text: textFile("The cat sat."), onProgress });
      const dog = await calibrateKeyMeans(checkpoint, { text: textFile("A big dog ran."), onProgress });
      expect(cat[0]).not.toEqual(dog[0]);
      expect(parts.at(-1)).toBe(1);
      for (const text of ["", Uint8Array.of(0xff)]) {
        await expect(
          calibrateKeyMeans(checkpoint, { text: textFile(text), onProgress }),
        ).rejects.toMatchObject({ exitCode: 3 });
      }
    } finally {
      await checkpoint.close();
    }
  });

  it("lands in the image, bit for bit, where centring is on", async () => {
    const checkpoint = await openCheckpoint(demoCheckpoint);
    const means = await calibrateKeyMeans(checkpoint, { onProgress: ignore });
    await checkpoint.close();
    const parts: number[] = [];
    for (const centerKeys of [undefined, false]) {
      const output = join(newFolder(), "out.accllm");
      const report = await quantizeCheckpoint(
        { checkpoint: demoCheckpoint, output, centerKeys },
        { progress: ({ done, total }) => parts.push(done / total) },
      );
      expect(report.keyMeans).toBe(centerKeys === false ? "none" : "self");
      expect(parts.at(-1)).toBe(1);
      const image = await openImage(output);
      const { keyMean } = await readImageContents(image);
      await image.close();
      const expected = centerKeys === false ? means.map(() => undefined) : means;
      expect(means.map((_, layer) => keyMean(layer))).toEqual(expected);
    }
  });
});

describe("sampleToken", () => {
  it("draws by softmax, the ends included", () => {
    const logits = Float32Array.of(Math.log(1), Math.log(2), Number.NEGATIVE_INFINITY, Math.log(5));
    const drawn = [0, 0.124, 0.126, 0.374, 0.376, 0.999].map((u) => sampleToken(logits, u));
    expect(drawn).toEqual([0, 0, 1, 1, 3, 3]);
  });
});
