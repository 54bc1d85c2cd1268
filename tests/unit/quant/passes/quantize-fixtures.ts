import { truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { openImage } from "../../../../quant/format/image.ts";
import { keepPatterns } from "../../../../quant/format/weight-layout.ts";
import { unpackRows } from "../../../../quant/format/weight-pack.ts";
import { openCheckpoint } from "../../../../quant/io/checkpoint.ts";
import type { QuantizeOptions } from "../../../../quant/passes/quantize.ts";
import { newFolder, smallTensors, withHeader, writeCheckpoint } from "../io/small-checkpoint.ts";

/** The weights that an image holds, straight from docs/numerics.md. */
export async function storedWeights(path: string, name: string): Promise<Float64Array> {
  const image = await openImage(path);
  const { layout, channels } = await image.matrix(name);
  await image.close();
  const { codes, patterns, scales, zeroHalves, exponents } = unpackRows(layout, channels, 0, layout.rows);
  const values = new Float64Array(layout.rows * layout.columns);
  for (let i = 0; i < values.length; i++) {
    const row = Math.floor(i / layout.columns);
    const column = i % layout.columns;
    const group = row * layout.groups + Math.floor(column / 64);
    const at = group * 64 + (column % 64);
    const keep: readonly number[] = patterns ? keepPatterns[patterns[at >> 2]!]! : [0, 1, 2, 3];
    if (!keep.includes(column % 4)) continue;
    values[i] = scales[group]! * 2 ** exponents[row]! * (codes[at]! - zeroHalves[group]! / 2);
  }
  return values;
}

export async function originalWeights(path: string, name: string): Promise<Float32Array> {
  const checkpoint = await openCheckpoint(path);
  try {
    return await checkpoint.readRows(name, 0, checkpoint.tensors.get(name)!.rows);
  } finally {
    await checkpoint.close();
  }
}

export function smallCheckpoint(config: Record<string, unknown> = {}, tensors = smallTensors()): string {
  const folder = writeCheckpoint(tensors, config);
  writeFileSync(join(folder, "tokenizer.json"), "{}");
  return folder;
}

/** A checkpoint of zeros that takes no room on disk. */
export function sparseCheckpoint(
  shapes: ReadonlyMap<string, readonly number[]>,
  config: Record<string, unknown>,
): string {
  const folder = smallCheckpoint(config);
  let end = 0;
  const header: Record<string, unknown> = {};
  for (const [name, shape] of shapes) {
    const start = end;
    end += shape.reduce((a, b) => a * b, 4);
    header[name] = { dtype: "F32", shape, data_offsets: [start, end] };
  }
  const path = join(folder, "model.safetensors");
  const head = withHeader(JSON.stringify(header), new Uint8Array());
  writeFileSync(path, head);
  truncateSync(path, head.length + end);
  return folder;
}

export function small(options: Partial<QuantizeOptions> = {}): QuantizeOptions {
  return {
    checkpoint: smallCheckpoint(),
    output: join(newFolder(), "out.accllm"),
    platform: "tiny",
    centerKeys: false,
    ...options,
  };
}
