import { join } from "node:path";
import { expect } from "vitest";
import { openImage } from "../../../../quant/format/image.ts";
import { unpackRows } from "../../../../quant/format/weight-pack.ts";
import type { QuantizeOptions } from "../../../../quant/passes/quantize.ts";
import { type GptqMatrix, halfValue, packGptq, randomGptq, type ZeroForm } from "../io/gptq-fixture.ts";
import { randomWeights, rawTensors, writeFolder } from "../io/random-checkpoint.ts";
import { newFolder, type RawTensor } from "../io/small-checkpoint.ts";

export const config = {
  num_hidden_layers: 1,
  hidden_size: 256,
  intermediate_size: 384,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 32,
  vocab_size: 64,
};
export const plain = randomWeights(config);
const layerMatrices = [...plain.keys()].filter((name) => name.endsWith("_proj.weight"));
export const queries = "model.layers.0.self_attn.q_proj.weight";

export interface Fixture {
  readonly matrices: Map<string, GptqMatrix>;
  readonly tensors: Record<string, RawTensor>;
}

/** A model of which the layers' matrices, and what else is named, are quantized. */
export function fixture(bits: number, group: number, form: ZeroForm = "v2", also: string[] = []): Fixture {
  const matrices = new Map<string, GptqMatrix>();
  const all = rawTensors(config, plain);
  let tensors: Record<string, RawTensor> = {};
  for (const [name, tensor] of Object.entries(all)) {
    if (!layerMatrices.includes(name) && !also.includes(name)) {
      tensors[name] = tensor;
      continue;
    }
    const [rows, cols] = tensor.shape as [number, number];
    const matrix = randomGptq(rows, cols, bits, group, matrices.size);
    matrices.set(name, matrix);
    tensors = { ...tensors, ...packGptq(name.replace(".weight", ""), matrix, form) };
  }
  return { matrices, tensors };
}

const writers: Record<ZeroForm, Record<string, unknown>> = {
  v2: { checkpoint_format: "gptq_v2" },
  v1: { checkpoint_format: "gptq" },
  borrow: { checkpoint_format: "gptq", meta: { quantizer: ["gptqmodel:4.0.0"] } },
};

export function write(
  { tensors }: Fixture,
  form: ZeroForm = "v2",
  more: Record<string, unknown> = {},
): string {
  return writeFolder(
    { ...config, quantization_config: { quant_method: "gptq", ...writers[form], ...more } },
    tensors,
  );
}

export function options(checkpoint: string, more: Partial<QuantizeOptions> = {}): QuantizeOptions {
  return {
    checkpoint,
    output: join(newFolder(), "out.accllm"),
    platform: "tiny",
    centerKeys: false,
    ...more,
  };
}

/** Compares what an image holds of a matrix with the matrix, code by code. */
export async function expectStored(path: string, name: string, matrix: GptqMatrix): Promise<void> {
  const image = await openImage(path);
  const { layout, channels } = await image.matrix(name);
  await image.close();
  expect(layout.format).toBe(matrix.bits === 2 ? "w2" : "w4");
  const { codes, scales, zeroHalves, exponents } = unpackRows(layout, channels, 0, layout.rows);
  let different = 0;
  for (let r = 0; r < matrix.rows; r++) {
    for (let c = 0; c < matrix.cols; c++) {
      const group = r * layout.groups + Math.floor(c / 64);
      const own = Math.floor(c / matrix.group);
      const same =
        codes[group * 64 + (c % 64)] === matrix.codes[r]![c] &&
        zeroHalves[group] === 2 * matrix.zeros[r]![own]! &&
        scales[group]! * 2 ** exponents[r]! === halfValue(matrix.scales[r]![own]!);
      if (!same) different++;
    }
  }
  expect(different).toBe(0);
}
