import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { inspectFile } from "../../../../host/cli/inspection.ts";
import { nativeFolder } from "../../../../host/device/native.ts";
import { ReferenceModel } from "../../../../quant/eval/reference/model.ts";
import { openImage } from "../../../../quant/format/image.ts";
import { readImageContents } from "../../../../quant/format/image-reference.ts";
import { unpackRows } from "../../../../quant/format/weight-pack.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import { quantizeCheckpoint } from "../../../../quant/passes/quantize.ts";
import { gptqWeights, packGptq, type ZeroForm } from "../io/gptq-fixture.ts";
import { rawTensors, writeFolder } from "../io/random-checkpoint.ts";
import { newFolder, type RawTensor } from "../io/small-checkpoint.ts";
import { config, expectStored, type Fixture, fixture, options, plain, queries, write } from "./gptq-model.ts";

const built = existsSync(join(nativeFolder(), "libaccllm_quant.so"));

const tokens = [5, 17, 3, 44, 44, 9];

async function logitsOf(path: string): Promise<Float32Array[]> {
  const image = await openImage(path);
  const model = new ReferenceModel(await readImageContents(image));
  await image.close();
  return tokens.map((token, position) => model.step(token, position)!);
}

describe("a GPTQ checkpoint", () => {
  it.each<[number, number, ZeroForm]>([
    [2, 64, "v2"],
    [2, 128, "v1"],
    [2, 128, "borrow"],
    [4, 64, "v1"],
    [4, 128, "v2"],
    [4, 128, "borrow"],
    [4, 384, "v2"],
  ])("of %i bits in groups of %i, zero-points %s, comes through code by code", async (bits, group, form) => {
    const made = fixture(bits, group, form, bits === 4 ? ["lm_head.weight"] : []);
    const folder = write(made, form);
    const imported = options(folder);
    const report = await quantizeCheckpoint(imported);
    expect(report.weights).toBe(bits === 2 ? "w2" : "w4");
    expect(report.method).toBe("stored codes");
    for (const [name, matrix] of made.matrices) await expectStored(imported.output, name, matrix);
    for (const { name, exact, roundedRows } of report.tensors) {
      if (made.matrices.has(name)) expect([name, exact, roundedRows]).toEqual([name, true, 0]);
    }

    // The same weights as plain numbers: what is read of the checkpoint, and the logits of either image.
    const weights = new Map(plain);
    for (const [name, matrix] of made.matrices) weights.set(name, gptqWeights(matrix));
    const checkpoint = await openCheckpoint(folder);
    for (const [name, matrix] of made.matrices) {
      expect(await checkpoint.readRows(name, 0, matrix.rows)).toEqual(weights.get(name));
      expect(await checkpoint.readRows(name, 3, 2)).toEqual(
        weights.get(name)!.subarray(3 * matrix.cols, 5 * matrix.cols),
      );
    }
    await checkpoint.close();
    const other = options(writeFolder(config, rawTensors(config, weights)), {
      weights: bits === 2 ? "w2" : "w4",
      ...(bits === 4 ? { lmHead: "w4" as const } : {}),
    });
    await quantizeCheckpoint(other);
    expect(await logitsOf(imported.output)).toEqual(await logitsOf(other.output));
  });

  it("counts and reports rows whose scales are too far apart, and changes nothing else", async () => {
    const made = fixture(2, 64);
    const matrix = made.matrices.get(queries)!;
    // 2^7 apart, with all eleven bits in use: four of them are lost. And 2^7 apart with one bit: nothing is.
    matrix.scales[2]![0] = (12 << 10) | 1;
    matrix.scales[2]![1] = (5 << 10) | 0x3ff;
    matrix.scales[3]![0] = (12 << 10) | 1;
    matrix.scales[3]![1] = 5 << 10;
    Object.assign(made.tensors, packGptq(queries.replace(".weight", ""), matrix, "v2"));
    const report = await quantizeCheckpoint(options(write(made)));
    const entry = report.tensors.find(({ name }) => name === queries)!;
    expect(entry).toMatchObject({ exact: false, roundedRows: 1 });
    expect(entry.relativeError).toBeGreaterThan(0);
    expect(entry.relativeError).toBeLessThan(1e-4);
    expect(report.tensors.filter(({ roundedRows }) => roundedRows > 0)).toHaveLength(1);
  });

  it("may have scales that fall", async () => {
    const made = fixture(4, 64);
    const matrix = made.matrices.get(queries)!;
    matrix.scales[5]![1]! |= 0x8000;
    Object.assign(made.tensors, packGptq(queries.replace(".weight", ""), matrix, "v2"));
    const imported = options(write(made));
    const report = await quantizeCheckpoint(imported);
    expect(report.tensors.every(({ name, exact }) => exact || name === "lm_head.weight")).toBe(true);
    const image = await openImage(imported.output);
    const { layout, channels } = await image.matrix(queries);
    await image.close();
    const { codes, scales, zeroHalves, exponents } = unpackRows(layout, channels, 0, layout.rows);
    const expected = gptqWeights(matrix);
    for (let c = 64; c < 128; c++) {
      const group = 5 * layout.groups + 1;
      const code = codes[5 * layout.groups * 64 + c]!;
      const weight = scales[group]! * 2 ** exponents[5]! * (code - zeroHalves[group]! / 2);
      expect(weight === expected[5 * 256 + c]).toBe(true);
    }
  });

  it("keeps its codes under other recipes too", async () => {
    if (!built) return;
    const made = fixture(2, 128);
    const text = join(newFolder(), "text");
    const imported = options(write(made), { recipe: "good", calibration: text, lmHead: "w8" });
    writeFileSync(text, "a");
    const report = await quantizeCheckpoint({ ...imported, calibration: undefined });
    expect(report.method).toBe("stored codes");
    for (const [name, matrix] of made.matrices) await expectStored(imported.output, name, matrix);
  });

  it("is 2:4 in 2 bits where its codes allow it", async () => {
    const made = fixture(2, 64);
    for (const [name, matrix] of made.matrices) {
      matrix.codes.forEach((row, r) => {
        row.forEach((_, c) => {
          if (c % 4 > 1) row[c] = matrix.zeros[r]![Math.floor(c / 64)]!;
        });
      });
      Object.assign(made.tensors, packGptq(name.replace(".weight", ""), matrix, "v2"));
    }
    const imported = options(write(made));
    const report = await quantizeCheckpoint(imported);
    expect(report.weights).toBe("w2s24");
    expect(report.tensors.every(({ name, exact }) => exact || name === "lm_head.weight")).toBe(true);
  });

  it("may say how it is quantized in a file of its own, and have biases of zeros", async () => {
    const made = fixture(2, 64, "v1");
    const bias = (value: number): RawTensor => ({
      dtype: "F16",
      shape: [128],
      bytes: new Uint8Array(new Uint16Array(128).fill(value).buffer),
    });
    const tensors = { ...made.tensors, "model.layers.0.self_attn.q_proj.bias": bias(0) };
    const folder = writeFolder(config, tensors);
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ exitCode: 3 });
    writeFileSync(
      join(folder, "quantize_config.json"),
      JSON.stringify({ bits: 2, group_size: 64, sym: true }),
    );
    const checkpoint = await openCheckpoint(folder);
    const matrix = made.matrices.get(queries)!;
    expect(await checkpoint.readRows(queries, 0, matrix.rows)).toEqual(gptqWeights(matrix));
    await checkpoint.close();
    const biased = writeFolder(config, { ...tensors, "model.layers.0.self_attn.q_proj.bias": bias(0x3c00) });
    writeFileSync(join(biased, "quantize_config.json"), "{}");
    await expect(openCheckpoint(biased)).rejects.toThrow(/q_proj\.bias/);
  });

  it("is known to inspect", async () => {
    const { json } = await inspectFile(write(fixture(4, 128)));
    expect(json).toMatchObject({ kind: "checkpoint", format: "huggingface" });
    const tensors = (json as { tensors: { name: string; dtype: string; rows: number }[] }).tensors;
    expect(tensors.find(({ name }) => name === queries)).toMatchObject({
      dtype: "GPTQ 4 bits, groups of 128",
      rows: 128,
    });
  });

  it.each<[string, (made: Fixture) => Record<string, unknown>, RegExp]>([
    [
      "scattered groups",
      ({ tensors }) => scatter(tensors),
      /q_proj" has groups that are scattered.*desc_act/,
    ],
    [
      "groups of 32",
      (made) => Object.assign(made.tensors, fixture(2, 32).tensors) && {},
      /groups of 32 inputs/,
    ],
    ["3 bits", ({ tensors }) => reshape(tensors, "qzeros", [4, 12]), /stored in 3 bits/],
    ["parts of other shapes", ({ tensors }) => reshape(tensors, "scales", [128, 4]), /do not fit together/],
    ["missing scales", ({ tensors }) => drop(tensors, "scales"), /has no scales/],
    [
      "another shape than the model's",
      ({ tensors }) => reshape(tensors, "qweight", [8, 128]),
      /shape \[128, 128\]|its 128 inputs/,
    ],
    ["AWQ", () => ({ quant_method: "awq" }), /method "awq"/],
    ["Marlin's packing", () => ({ checkpoint_format: "marlin" }), /format "marlin"/],
    ["another word", () => ({ pack_dtype: "int8" }), /packed into int8/],
  ])("is refused with %s", async (_, damage, message) => {
    const made = fixture(2, 64);
    const more = damage(made);
    const folder = write(made, "v2", more);
    await expect(openCheckpoint(folder)).rejects.toThrow(message);
    await expect(openCheckpoint(folder)).rejects.toMatchObject({ exitCode: 3 });
  });

  it("is refused with a scale that is no number", async () => {
    const made = fixture(2, 64);
    made.matrices.get(queries)!.scales[1]![2] = 0x7c00;
    Object.assign(made.tensors, packGptq(queries.replace(".weight", ""), made.matrices.get(queries)!, "v2"));
    await expect(quantizeCheckpoint(options(write(made)))).rejects.toMatchObject({
      code: "WEIGHT_NOT_FINITE",
      exitCode: 3,
    });
  });
});

const part = (name: string) => queries.replace("weight", name);

/** Groups in the order that desc_act leaves behind. */
function scatter(tensors: Record<string, RawTensor>): Record<string, unknown> {
  const index = Int32Array.from({ length: 256 }, (_, c) => c % 4);
  tensors[part("g_idx")] = { dtype: "I32", shape: [256], bytes: new Uint8Array(index.buffer) };
  return { desc_act: true };
}

function drop(tensors: Record<string, RawTensor>, name: string): Record<string, unknown> {
  delete tensors[part(name)];
  return {};
}

/** Other dimensions, with as many zeros as they need. */
function reshape(tensors: Record<string, RawTensor>, name: string, shape: number[]): Record<string, unknown> {
  const size = name === "scales" ? 2 : 4;
  const { dtype } = tensors[part(name)]!;
  tensors[part(name)] = { dtype, shape, bytes: new Uint8Array(size * shape[0]! * shape[1]!) };
  return {};
}
