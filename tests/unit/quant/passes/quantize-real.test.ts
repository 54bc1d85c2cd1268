import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openImage } from "../../../../quant/format/image.ts";
import type { WeightFormat } from "../../../../quant/format/weight-layout.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { newFolder } from "../io/small-checkpoint.ts";

import { originalWeights, storedWeights } from "./quantize-fixtures.ts";

const root = fileURLToPath(new URL("../../../..", import.meta.url));
const demo = join(root, "models/demo");
const models = join(root, "../shared/data/models");

describe("the demo checkpoint", () => {
  it("comes out as 2:4 with every weight of its layers as it was", async () => {
    const output = join(newFolder(), "demo.accllm");
    const report = await quantizeCheckpoint({ checkpoint: demo, output });
    expect(report).toMatchObject({ image: output, weights: "w2s24", bytes: readFileSync(output).length });
    const blocks = report.tensors.filter(({ name }) => name !== "lm_head.weight");
    expect(blocks.length).toBe(28);
    for (const { name, ...rest } of blocks) {
      expect(rest).toMatchObject({ format: "w2s24", relativeError: 0, exact: true, roundedRows: 0 });
      const original = await originalWeights(demo, name);
      const stored = await storedWeights(output, name);
      let differences = 0;
      for (let i = 0; i < original.length; i++) if (stored[i] !== original[i]! + 0) differences++;
      expect({ name, differences }).toEqual({ name, differences: 0 });
    }
    expect(report.tensors.at(-1)).toMatchObject({ name: "lm_head.weight", format: "w8", exact: false });
  });
});

const checkpoints = [
  { name: "story-hf", path: join(models, "story-hf"), tokenizer: undefined },
  {
    name: "stories260K",
    path: join(models, "stories260K/stories260K.bin"),
    tokenizer: join(models, "stories260K/tok512.bin"),
  },
];
for (const { name, path, tokenizer } of checkpoints) {
  describe.skipIf(!existsSync(path))(`${name} (needs ../shared/data)`, () => {
    it("loses less with every step up in bits, in every matrix, and as much as is reported", async () => {
      const errors = new Map<WeightFormat, number[]>();
      for (const weights of ["w2s24", "w2", "w4", "w8"] as const) {
        const output = join(newFolder(), "out.accllm");
        const report = await quantizeCheckpoint({
          checkpoint: path,
          output,
          weights,
          lmHead: weights,
          tokenizer,
        });
        errors.set(
          weights,
          report.tensors.map(({ relativeError }) => relativeError),
        );
        const { name, relativeError } = report.tensors[1]!;
        const original = await originalWeights(path, name);
        const stored = await storedWeights(output, name);
        let squares = 0;
        let energy = 0;
        for (const [i, v] of original.entries()) {
          squares += (v - stored[i]!) ** 2;
          energy += v * v;
        }
        expect(relativeError).toBeCloseTo(Math.sqrt(squares / energy), 12);
      }
      for (const [i, sparse] of errors.get("w2s24")!.entries()) {
        const [w2, w4, w8] = [errors.get("w2")![i]!, errors.get("w4")![i]!, errors.get("w8")![i]!];
        expect(sparse).toBeGreaterThan(w2);
        expect(w2).toBeGreaterThan(3 * w4);
        expect(w4).toBeGreaterThan(10 * w8);
        // Normal weights: 0.345 with the best uniform two-bit grid for all, less with one fitted to each 64.
        expect(w2).toBeGreaterThan(0.25);
        expect(w2).toBeLessThan(0.4);
        expect(w8).toBeLessThan(0.01);
      }
    });

    it("takes dense two bits of its own accord, and 8 for the output", async () => {
      const output = join(newFolder(), "out.accllm");
      const report = await quantizeCheckpoint({ checkpoint: path, output, tokenizer });
      const image = await openImage(output);
      await image.verifyHashes();
      expect(image.header.quantization).toMatchObject({ weights: "w2", method: "round", group: 64 });
      expect(new Set(report.tensors.slice(0, -1).map(({ format }) => format))).toEqual(new Set(["w2"]));
      expect(report.tensors.at(-1)).toMatchObject({ name: "lm_head.weight", format: "w8" });
      await image.close();
    });
  });
}
