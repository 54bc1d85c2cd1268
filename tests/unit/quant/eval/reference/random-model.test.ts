import { describe, expect, test } from "vitest";
import { ReferenceModel, type TraceEntry } from "../../../../../quant/eval/reference/model.ts";
import { randomModel } from "../../../../../quant/eval/reference/random-model.ts";

describe("randomModel", () => {
  test("the same seed gives the same model, another one another", () => {
    const bytes = (seed: number): Uint8Array[] => [...randomModel(seed).matrix("lm_head.weight").channels];
    expect(bytes(4)).toEqual(bytes(4));
    expect(bytes(4)).not.toEqual(bytes(5));
  });

  test("200 seeds cover every format, flag and odd size, and none overflows", () => {
    const seen = new Set<string | number | boolean>();
    for (let seed = 0; seed < 200; seed++) {
      const model = randomModel(seed, seed % 2 ? { weightChannels: 28, kvChannels: 4 } : {});
      const { config } = model;
      seen
        .add(`D${config.headDim}`)
        .add(`ratio${config.heads / config.kvHeads}`)
        .add(`sinks${model.sinks}`);
      seen.add(`hadamard ${model.hadamard}`).add(`centered ${model.centered}`).add(`V${config.vocabSize}`);
      seen.add(`bias ${config.attentionBias}`);
      for (const { layout } of model.matrices.values()) seen.add(layout.format);
      expect(config.hiddenSize % 4).toBe(0);
      if (seed % 8) continue;
      const reference = new ReferenceModel(model);
      const entries: TraceEntry[] = [];
      for (let p = 0; p < 3; p++) reference.step(p, p, { trace: (entry) => entries.push(entry) });
      expect(reference.nonFinite).toBe(false);
      for (const { buffer, values } of entries) {
        if (buffer === "a") continue;
        const size = Math.sqrt(values.reduce((sum, v) => sum + v * v, 0) / values.length);
        expect(size).toBeGreaterThan(0.005);
        expect(size).toBeLessThan(200);
      }
    }
    expect([...seen]).toEqual(
      expect.arrayContaining([
        "w2s24",
        "w2",
        "w4",
        "w8",
        "D6",
        "D64",
        "ratio1",
        "ratio4",
        "sinks0",
        "sinks4",
        "V105",
      ]),
    );
    expect([...seen]).toEqual(
      expect.arrayContaining([
        "hadamard true",
        "hadamard false",
        "centered true",
        "centered false",
        "bias none",
        "bias qkv",
        "bias all",
      ]),
    );
  });
});
