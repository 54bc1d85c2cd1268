import { createHash } from "node:crypto";
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { describe, expect, it } from "vitest";
import { nativeFolder } from "../../../../host/device/native.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { type QuantizeOptions, quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { resolveRecipe } from "../../../../quant/passes/recipe.ts";
import { demoCheckpoint } from "../../shared-data.ts";
import { newFolder } from "../io/small-checkpoint.ts";
import { storedWeights } from "./quantize-fixtures.ts";
import { randomCheckpoint } from "./random-checkpoint.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));

const checkpoint = randomCheckpoint();

function options(more: Partial<QuantizeOptions>): QuantizeOptions {
  return { checkpoint, output: join(newFolder(), "out.accllm"), platform: "tiny", weights: "w2", ...more };
}

function digest(path: string): string {
  return createHash("sha256").update(readFileSync(path)).digest("hex");
}

describe.skipIf(!built)("recipes (need the native library built)", () => {
  it("good leaves the demo's weights as they are", async () => {
    const output = join(newFolder(), "demo.accllm");
    const calibration = join(newFolder(), "text.txt");
    writeFileSync(calibration, "Once upon a time there was a small dog. ".repeat(20));
    const report = await quantizeCheckpoint({
      checkpoint: demoCheckpoint,
      output,
      recipe: "good",
      calibration,
    });
    expect(report).toMatchObject({ weights: "w2s24", method: "sparsegpt", keyMeans: "text" });
    const blocks = report.tensors.filter(({ name }) => name !== "lm_head.weight");
    expect(blocks.every(({ exact }) => exact)).toBe(true);
  });

  it.each(["w2", "w2s24", "w4"] as const)(
    "give the same bytes on any number of threads, %s",
    async (weights) => {
      const digests = new Set<string>();
      for (const threads of [1, 3]) {
        const given = options({ weights, reconstruct: 1, finetune: 1, threads });
        await quantizeCheckpoint(given);
        digests.add(digest(given.output));
        expect(readdirSync(dirname(given.output))).toEqual(["out.accllm"]);
      }
      expect(digests.size).toBe(1);
      const other = options({ weights, reconstruct: 1, finetune: 1, seed: 2 });
      await quantizeCheckpoint(other);
      expect(digests).not.toContain(digest(other.output));
    },
  );

  it("train the quantized model towards the float one, and report it", async () => {
    const report = await quantizeCheckpoint(options({ reconstruct: 1, finetune: 8 }));
    expect(report.method).toBe("gptq, reconstruct 1, finetune 8");
    expect(report.finetune!.best).toBeLessThan(0.95 * report.finetune!.before);
  });

  it("report errors against the original weights, and store two of four", async () => {
    const given = options({ weights: "w2s24", recipe: "good" });
    const report = await quantizeCheckpoint(given);
    const name = "model.layers.1.mlp.down_proj.weight";
    const { relativeError, exact } = report.tensors.find((tensor) => tensor.name === name)!;
    expect(exact).toBe(false);
    expect(relativeError).toBeGreaterThan(0.3);
    expect(relativeError).toBeLessThan(1);
    const head = report.tensors.find((tensor) => tensor.name === "lm_head.weight")!;
    expect(head.exact).toBe(false);
    expect(head.relativeError).toBeGreaterThan(0.001);
    const stored = await storedWeights(given.output, name);
    for (let i = 0; i < stored.length; i += 4) {
      expect(stored.subarray(i, i + 4).filter((weight) => weight !== 0).length).toBeLessThan(3);
    }
    const image = await openImage(given.output);
    expect(image.header.kv.centered).toBe(true);
    expect(image.header.quantization.method).toBe("sparsegpt");
    await image.close();
  });

  it("go on where they were interrupted, to the same bytes", async () => {
    const whole = options({ reconstruct: 1, finetune: 2 });
    let steps = 0;
    await quantizeCheckpoint(whole, { progress: () => steps++ });
    const broken = options({ reconstruct: 1, finetune: 2, resume: true });
    for (const part of [0.2, 0.4, 0.6, 0.8]) {
      const controller = new AbortController();
      const progress = ({ done, total }: { done: number; total: number }) => {
        if (done > part * total) controller.abort();
      };
      await expect(quantizeCheckpoint(broken, { progress, signal: controller.signal })).rejects.toMatchObject(
        {
          exitCode: 130,
        },
      );
      expect(readdirSync(dirname(broken.output))).toEqual(["out.accllm.work"]);
    }
    await expect(quantizeCheckpoint({ ...broken, seed: 5 })).rejects.toMatchObject({
      code: "RESUME_MISMATCH",
    });
    let left = 0;
    await quantizeCheckpoint(broken, { progress: () => left++ });
    expect(left).toBeLessThan(steps);
    expect(digest(broken.output)).toBe(digest(whole.output));
    expect(readdirSync(dirname(broken.output))).toEqual(["out.accllm"]);
  });
});

describe("resolveRecipe", () => {
  it("takes the parts that are given over the named recipe's", () => {
    expect(resolveRecipe({})).toMatchObject({ method: "rtn", reconstruct: 0, finetune: 0 });
    expect(resolveRecipe({ recipe: "good" })).toMatchObject({ method: "gptq", reconstruct: 0, finetune: 0 });
    expect(resolveRecipe({ recipe: "best", finetune: 0 })).toMatchObject({ reconstruct: 1, finetune: 0 });
    expect(resolveRecipe({ finetune: 3 })).toMatchObject({ method: "gptq", finetune: 3 });
    expect(resolveRecipe({ recipe: "best", method: "rtn" })).toMatchObject({ method: "rtn", finetune: 0 });
    expect(() => resolveRecipe({ method: "rtn", finetune: 3 })).toThrow(/not from rtn/);
  });
});
