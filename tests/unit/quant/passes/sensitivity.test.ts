import { existsSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { FloatModel } from "../../../../quant/eval/float-model.ts";
import { Random } from "../../../../quant/eval/reference/random.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { platforms } from "../../../../quant/format/platform.ts";
import {
  formatsByBits,
  matrixLayout,
  storedBitsPerWeight,
  type WeightFormat,
} from "../../../../quant/format/weight-layout.ts";
import { type Checkpoint, openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { planBudget } from "../../../../quant/passes/budget.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { writeSequences } from "../../../../quant/passes/self-text.ts";
import { measureSensitivity } from "../../../../quant/passes/sensitivity.ts";
import { newFolder } from "../io/small-checkpoint.ts";
import { storedWeights } from "./quantize-fixtures.ts";
import { randomCheckpoint } from "./random-checkpoint.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));
const path = randomCheckpoint();
const channels = platforms.tiny!.weightChannels;

/** A checkpoint with some matrices replaced. */
function withMatrices(checkpoint: Checkpoint, matrices: ReadonlyMap<string, Float64Array>): Checkpoint {
  return Object.assign(Object.create(checkpoint), {
    async readRows(name: string, first: number, count: number, out?: Float32Array) {
      const { cols } = checkpoint.tensors.get(name)!;
      const values = matrices.get(name);
      if (values === undefined) return checkpoint.readRows(name, first, count, out);
      const part = Float32Array.from(values.subarray(first * cols, (first + count) * cols));
      out?.set(part);
      return out ?? part;
    },
  });
}

async function logitsOf(
  model: FloatModel,
  sequences: readonly (readonly number[])[],
): Promise<Float32Array[]> {
  const all: Float32Array[] = [];
  for (const ids of sequences) {
    model.reset();
    for await (const row of model.logits(ids)) all.push(row.slice());
  }
  return all;
}

function divergence(teacher: readonly Float32Array[], student: readonly Float32Array[]): number {
  const logSoftmax = (row: Float32Array) => {
    const highest = Math.max(...row);
    const sum = row.reduce((all, x) => all + Math.exp(x - highest), 0);
    return Array.from(row, (x) => x - highest - Math.log(sum));
  };
  let total = 0;
  for (const [t, row] of teacher.entries()) {
    const [p, q] = [logSoftmax(row), logSoftmax(student[t]!)];
    total += p.reduce((sum, lp, i) => sum + Math.exp(lp) * (lp - q[i]!), 0);
  }
  return total / teacher.length;
}

/** Divergence of the model with some matrices as an image of those formats stores them, in float otherwise. */
async function lossOf(formats: ReadonlyMap<string, WeightFormat>, names: readonly string[]): Promise<number> {
  const output = join(newFolder(), "out.accllm");
  const overrides = [...formats].map(([tensor, format]) => ({ tensor, format }));
  await quantizeCheckpoint({
    checkpoint: path,
    output,
    platform: "tiny",
    weights: "w2",
    overrides,
    centerKeys: false,
  });
  const matrices = new Map<string, Float64Array>();
  for (const name of names) matrices.set(name, await storedWeights(output, name));
  const checkpoint = await openCheckpoint(path);
  try {
    const float = await FloatModel.load(checkpoint);
    const sequences = await writeSequences(float, { count: 4, length: 48, seed: 3, onToken: () => {} });
    const changed = await FloatModel.load(withMatrices(checkpoint, matrices));
    return divergence(await logitsOf(float, sequences), await logitsOf(changed, sequences));
  } finally {
    await checkpoint.close();
  }
}

describe.skipIf(!built)("measureSensitivity (needs the native library built)", () => {
  it("finds what the float model loses with one matrix rounded", async () => {
    const { tensors, tokens } = await measureSensitivity({ checkpoint: path, calibrated: false });
    expect(tokens).toBe(32 * 64);
    expect(tensors.length).toBe(15);
    for (const { losses } of tensors) {
      expect(losses.w2s24!).toBeGreaterThan(losses.w2!);
      expect(losses.w2!).toBeGreaterThan(3 * losses.w4!);
      expect(losses.w4!).toBeGreaterThan(20 * losses.w8!);
    }
    for (const name of [
      "model.layers.0.self_attn.v_proj.weight",
      "model.layers.1.mlp.down_proj.weight",
      "lm_head.weight",
    ]) {
      const found = tensors.find((tensor) => tensor.name === name)!.losses.w2!;
      const expected = await lossOf(new Map([[name, "w2"]]), [name]);
      // Other sequences, and another search for the grids.
      expect(found / expected).toBeGreaterThan(0.7);
      expect(found / expected).toBeLessThan(1.4);
    }
  });

  it("loses less by GPTQ than to nearest", async () => {
    const options = { checkpoint: path, formats: ["w2"] as const };
    const rounded = await measureSensitivity({ ...options, calibrated: false });
    const calibrated = await measureSensitivity({ ...options, calibrated: true });
    const sum = ({ tensors }: typeof rounded) => tensors.reduce((all, { losses }) => all + losses.w2!, 0);
    expect(sum(calibrated)).toBeLessThan(0.9 * sum(rounded));
    expect(Object.keys(rounded.tensors[0]!.losses)).toEqual(["w2"]);
  });

  it("leads to a budget's formats that lose less than others of as many bits", async () => {
    const { tensors } = await measureSensitivity({ checkpoint: path, calibrated: false });
    const names = tensors.map(({ name }) => name);
    const budget = 5.5;
    const plan = planBudget(tensors, budget, channels);
    const planned = await lossOf(plan.formats, names);

    const output = join(newFolder(), "planned.accllm");
    const overrides = [...plan.formats].map(([tensor, format]) => ({ tensor, format }));
    await quantizeCheckpoint({ checkpoint: path, output, platform: "tiny", weights: "w2", overrides });
    const image = await openImage(output);
    expect(image.header.quantization.bitsPerWeight).toBeCloseTo(plan.bitsPerWeight, 9);
    expect(image.header.quantization.bitsPerWeight).toBeLessThanOrEqual(budget);
    await image.close();

    const random = new Random(1);
    for (let i = 0; i < 4; i++) {
      const formats = new Map<string, WeightFormat>(names.map((name) => [name, "w2"]));
      // Random steps up until no more fits.
      for (let tries = 0; tries < 60; tries++) {
        const changed = new Map(formats).set(
          names[random.below(names.length)]!,
          formatsByBits[2 + random.below(2)]!,
        );
        const bits = tensors.reduce(
          (sum, { name, rows, columns }) =>
            sum +
            storedBitsPerWeight(matrixLayout(changed.get(name)!, rows, columns, channels)) * rows * columns,
          0,
        );
        const weights = tensors.reduce((sum, { rows, columns }) => sum + rows * columns, 0);
        if (bits <= budget * weights) for (const [name, format] of changed) formats.set(name, format);
      }
      expect(planned).toBeLessThan(await lossOf(formats, names));
    }
  });
});
