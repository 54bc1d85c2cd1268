import { createHash } from "node:crypto";
import { readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openImage } from "../../../../quant/format/image.ts";
import { type QuantizeOptions, quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { newFolder, SMALL_CONFIG, smallTensors, tensor, writeCheckpoint } from "../io/small-checkpoint.ts";
import {
  originalWeights,
  small,
  smallCheckpoint,
  sparseCheckpoint,
  storedWeights,
} from "./quantize-fixtures.ts";

describe("quantizeCheckpoint", () => {
  it("gives the same bytes for the same input, across the edges of runs and steps", async () => {
    // 70000 rows are many runs of tiles (128 rows on this platform) and more than one step of 2^19 embeddings.
    const vocabulary = 70_000;
    const tensors = smallTensors();
    tensors["model.embed_tokens.weight"] = tensor("F32", [vocabulary, 8], 3);
    tensors["lm_head.weight"] = tensor("F32", [vocabulary, 8], 5);
    const checkpoint = smallCheckpoint({ vocab_size: vocabulary }, tensors);
    const digests = new Set<string>();
    for (let run = 0; run < 2; run++) {
      const output = join(newFolder(), "out.accllm");
      await quantizeCheckpoint(small({ checkpoint, output }));
      digests.add(createHash("sha256").update(readFileSync(output)).digest("hex"));
      const stored = await storedWeights(output, "lm_head.weight");
      const original = await originalWeights(checkpoint, "lm_head.weight");
      let worst = 0;
      for (const [i, v] of original.entries()) worst = Math.max(worst, Math.abs(v - stored[i]!));
      // Values from -2 to 1.875 in 256 steps.
      expect(worst).toBeLessThan(4 / 256);
    }
    expect(digests.size).toBe(1);
  });

  it("takes no more memory for a larger tensor", async () => {
    // One tied matrix of 134 MB in float32, a sparse file of zeros.
    const [vocabulary, hidden] = [131_072, 256];
    const shapes = new Map([["model.embed_tokens.weight", [vocabulary, hidden]]]);
    for (const [name, { shape }] of Object.entries(smallTensors())) {
      if (!name.startsWith("model.layers.0") && name !== "model.norm.weight") continue;
      shapes.set(
        name,
        shape.map((extent) => (extent === 8 ? hidden : extent === 4 ? hidden / 2 : extent)),
      );
    }
    const checkpoint = sparseCheckpoint(shapes, {
      vocab_size: vocabulary,
      hidden_size: hidden,
      num_hidden_layers: 1,
      tie_word_embeddings: true,
    });
    const before = process.memoryUsage.rss();
    let most = before;
    const progress = () => {
      most = Math.max(most, process.memoryUsage.rss());
    };
    const report = await quantizeCheckpoint(small({ checkpoint }), { progress });
    expect(report.tensors.every(({ exact }) => exact)).toBe(true);
    expect((most - before) / 2 ** 20).toBeLessThan(100);
  });

  it("quantizes a tied output from the embedding, under either name", async () => {
    const outputs: Buffer[] = [];
    for (const dropped of ["lm_head.weight", "model.embed_tokens.weight"]) {
      const tensors = smallTensors();
      const shared = tensors["lm_head.weight"]!;
      delete tensors[dropped];
      tensors[dropped === "lm_head.weight" ? "model.embed_tokens.weight" : "lm_head.weight"] = shared;
      const options = small({ checkpoint: smallCheckpoint({ tie_word_embeddings: true }, tensors) });
      await quantizeCheckpoint(options);
      outputs.push(readFileSync(options.output));
    }
    expect(outputs[0]).toEqual(outputs[1]);
  });

  it("applies overrides in order, by name, by part of a name and by pattern", async () => {
    const report = await quantizeCheckpoint(
      small({
        weights: "w2",
        overrides: [
          { tensor: "layers.0.*", format: "w4" },
          { tensor: "down_proj", format: "w8" },
          { tensor: "model.layers.1.mlp.up_proj.weight", format: "w2s24" },
          { tensor: "lm_head", format: "w4" },
        ],
      }),
    );
    const formats = Object.fromEntries(report.tensors.map(({ name, format }) => [name, format]));
    expect(formats).toMatchObject({
      "model.layers.0.self_attn.q_proj.weight": "w4",
      "model.layers.0.mlp.down_proj.weight": "w8",
      "model.layers.1.mlp.down_proj.weight": "w8",
      "model.layers.1.mlp.up_proj.weight": "w2s24",
      "model.layers.1.mlp.gate_proj.weight": "w2",
      "lm_head.weight": "w4",
    });
  });

  it("reports progress up to every weight, tensor by tensor", async () => {
    const seen: { done: number; total: number; tensor: string }[] = [];
    const report = await quantizeCheckpoint(small(), { progress: (p) => seen.push(p) });
    expect(seen.at(-1)!.done).toBe(seen.at(-1)!.total);
    for (let i = 1; i < seen.length; i++) expect(seen[i]!.done).toBeGreaterThan(seen[i - 1]!.done);
    expect(new Set(seen.map(({ tensor }) => tensor))).toEqual(
      new Set(["model.embed_tokens.weight", ...report.tensors.map(({ name }) => name)]),
    );
  });

  it("leaves nothing and touches nothing when it is aborted at any step", async () => {
    const steps = 16;
    for (let stop = 0; stop <= steps; stop++) {
      const options = small();
      writeFileSync(options.output, "old");
      const controller = new AbortController();
      if (stop === 0) controller.abort();
      let step = 0;
      const progress = () => {
        if (++step === stop) controller.abort();
      };
      await expect(
        quantizeCheckpoint(options, { progress, signal: controller.signal }),
      ).rejects.toMatchObject({
        exitCode: 130,
      });
      expect(readdirSync(join(options.output, ".."))).toEqual(["out.accllm"]);
      expect(readFileSync(options.output, "utf8")).toBe("old");
    }
  });

  it("leaves nothing when a weight is not a number, or the checkpoint is cut off", async () => {
    const tensors = smallTensors();
    const values = new Float32Array(12 * 8).fill(1);
    values[77] = Number.NaN;
    tensors["model.layers.1.mlp.up_proj.weight"] = {
      dtype: "F32",
      shape: [12, 8],
      bytes: new Uint8Array(values.buffer),
    };
    const options = small({ checkpoint: smallCheckpoint({}, tensors), weights: "w2" });
    await expect(quantizeCheckpoint(options)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("model.layers.1.mlp.up_proj.weight"),
    });
    expect(readdirSync(join(options.output, ".."))).toEqual([]);

    const cut = small({ weights: "w2" });
    const progress = () => truncateSync(join(cut.checkpoint, "model.safetensors"), 3000);
    await expect(quantizeCheckpoint(cut, { progress })).rejects.toMatchObject({ exitCode: 3 });
    expect(readdirSync(join(cut.output, ".."))).toEqual([]);
  });

  it("refuses embeddings beyond float16, naming the place", async () => {
    const tensors = smallTensors();
    const values = new Float32Array(80);
    values[27] = -70_000;
    const bytes = new Uint8Array(values.buffer);
    tensors["model.embed_tokens.weight"] = { dtype: "F32", shape: [10, 8], bytes };
    const options = small({ checkpoint: smallCheckpoint({}, tensors) });
    await expect(quantizeCheckpoint(options)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("-70000 at [3, 3]"),
    });
  });

  const refusals: [string, Partial<QuantizeOptions>, number, RegExp][] = [
    ["another group size", { group: 128 }, 2, /group size is 128/],
    ["an unknown platform", { platform: "u9" }, 2, /no platform called "u9"/],
    ["a window over the kernel's", { window: 9000 }, 2, /window of 9000/],
    ["a fraction of a sink", { sinks: 0.5 }, 2, /0.5 sinks/],
    ["an override of nothing", { overrides: [{ tensor: "q_prj", format: "w4" }] }, 2, /"q_prj=w4" matches/],
    ["an output in no folder", { output: "/nonexistent-folder/x.accllm" }, 3, /Cannot write/],
    ["a checkpoint that is not there", { checkpoint: "/nonexistent-folder" }, 3, /Cannot open/],
  ];
  for (const [what, options, exitCode, message] of refusals) {
    it(`refuses ${what}`, async () => {
      await expect(quantizeCheckpoint(small(options))).rejects.toMatchObject({
        exitCode,
        message: expect.stringMatching(message),
      });
    });
  }

  it("refuses a checkpoint without a tokenizer, and a model over the kernel's limits", async () => {
    const bare = small({ checkpoint: writeCheckpoint() });
    await expect(quantizeCheckpoint(bare)).rejects.toMatchObject({ code: "TOKENIZER_MISSING", exitCode: 3 });
    const tensors = smallTensors();
    for (const layer of [0, 1]) {
      const name = (part: string) => `model.layers.${layer}.mlp.${part}_proj.weight`;
      for (const part of ["gate", "up"]) tensors[name(part)] = tensor("F32", [40_000, 8], 1);
      tensors[name("down")] = tensor("F32", [8, 40_000], 1);
    }
    const wide = small({ checkpoint: smallCheckpoint({ intermediate_size: 40_000 }, tensors) });
    await expect(quantizeCheckpoint(wide)).rejects.toMatchObject({
      exitCode: 3,
      message: expect.stringContaining("intermediate size of 40000"),
    });
  });

  it("replaces an image that is there", async () => {
    const options = small();
    writeFileSync(options.output, "old");
    await quantizeCheckpoint(options);
    await (await openImage(options.output)).close();
    expect(readdirSync(join(options.output, ".."))).toEqual(["out.accllm"]);
  });

  it("carries the model and the defaults of a session", async () => {
    const options = small({ hadamard: false, sinks: 2, window: 77, generator: "test 1" });
    await quantizeCheckpoint(options);
    const { header } = await openImage(options.output);
    expect(header).toMatchObject({
      generator: "test 1",
      kv: { hadamard: false, centered: false, sinks: 2, window: 77 },
      model: { hiddenSize: SMALL_CONFIG.hidden_size, layers: 2, bosId: 1, eosIds: [2] },
      platform: { name: "tiny", weightChannels: 2, kvChannels: 1 },
    });
  });
});
