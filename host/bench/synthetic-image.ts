import { toFloat16Bits } from "../../quant/format/float16.ts";
import type { ImageTensor } from "../../quant/format/image-header.ts";
import { sectionNames, weightSection } from "../../quant/format/image-header.ts";
import { modelTensors, planImage } from "../../quant/format/image-plan.ts";
import { ImageWriter } from "../../quant/format/image-writer.ts";
import { beatBytes, groupSize, tilesPerExponentBeat } from "../../quant/format/limits.ts";
import type { ModelConfig } from "../../quant/format/model.ts";
import type { Platform } from "../../quant/format/platform.ts";
import {
  keepPatterns,
  matrixLayout,
  type WeightFormat,
  weightFormats,
} from "../../quant/format/weight-layout.ts";
import { chunkRows, emptyRows, packRows, type QuantizedRows } from "../../quant/format/weight-pack.ts";
import { scaleUnit } from "../../quant/passes/round.ts";
import { Xoshiro128 } from "../sampling/prng.ts";
import { syntheticTokenizer } from "./synthetic-tokenizer.ts";

export interface SyntheticImageOptions {
  readonly model: ModelConfig;
  readonly platform: Platform;
  readonly format: WeightFormat;
  readonly sinks: number;
  readonly window: number;
  readonly seed?: number;
}

/** Standard deviation of (code - 1.5) for uniform codes of a 2-bit plane, to scale by. */
const codeDeviation = (bits: number) => Math.sqrt((4 ** bits - 1) / 12);

/**
 * Writes a valid image of a model's shapes with random codes, without any checkpoint: weights have the spread
 * 1 / sqrt(columns) that keeps activations in range, norms are 1. For measuring; the text it makes means nothing.
 * @throws InputError OUTPUT_WRITE_FAILED
 */
export async function writeSyntheticImage(target: string, options: SyntheticImageOptions): Promise<void> {
  const { model, platform, format } = options;
  const random = new Xoshiro128(options.seed ?? 0);
  const tokenizer = syntheticTokenizer(model.vocabSize);
  const formats = new Map(modelTensors(model).matrices.map(({ name }) => [name, format]));
  const plan = planImage({
    generator: "accllm bench, random codes",
    model,
    platform,
    kv: { hadamard: true, centered: false, sinks: options.sinks, window: options.window },
    weights: format,
    method: "random",
    formats,
    files: new Map([[sectionNames.tokenizer, tokenizer.length]]),
  });
  const writer = await ImageWriter.create(target, plan);
  try {
    for (const tensor of plan.header.tensors) {
      await writeMatrix(writer, tensor, platform.weightChannels, random);
    }
    const { table, sections } = plan.header;
    const tableBytes = sections.find(({ name }) => name === sectionNames.table)!.bytes;
    const bytes = new Uint8Array(tableBytes);
    writeEmbedding(bytes, table.embedding.rowBeats * beatBytes, model, random);
    for (const offset of Object.values(table.gains)) {
      new Float32Array(bytes.buffer, offset * beatBytes, model.hiddenSize).fill(1);
    }
    await writer.append(sectionNames.table, bytes);
    await writer.append(sectionNames.tokenizer, tokenizer);
    await writer.finish();
  } catch (error) {
    await writer.discard();
    throw error;
  }
}

async function writeMatrix(
  writer: ImageWriter,
  { format, rows, columns }: ImageTensor,
  channels: number,
  random: Xoshiro128,
): Promise<void> {
  const layout = matrixLayout(format, rows, columns, channels);
  const runRows = chunkRows(channels);
  const run = emptyRows(layout, Math.min(rows, runRows));
  fillScales(run, format, columns, random);
  for (let tile = 0; tile < layout.tiles; tile += tilesPerExponentBeat) {
    const first = (tile / tilesPerExponentBeat) * runRows;
    const tiles = Math.min(tilesPerExponentBeat, layout.tiles - tile);
    const packed = Array.from(
      { length: channels },
      () => new Uint8Array((1 + tiles * layout.tileBeats) * beatBytes),
    );
    const part = { ...run, rows: Math.min(runRows, rows - first) };
    fillCodes(part, columns, layout.groups, random);
    const firstBeat = (tile / tilesPerExponentBeat) * (tilesPerExponentBeat * layout.tileBeats + 1);
    packRows(layout, part, first, packed, firstBeat);
    for (const [channel, bytes] of packed.entries()) await writer.append(weightSection(channel), bytes);
  }
}

/** Scales as the quantizer chooses them, within a factor of 1.5 of each other; one zero-point in the middle of the codes. */
function fillScales(run: QuantizedRows, format: WeightFormat, columns: number, random: Xoshiro128): void {
  const { bits, sparse } = weightFormats[format];
  const kept = sparse ? columns / 2 : columns;
  const mean = 40_960;
  const exponent = Math.round(Math.log2(1 / (Math.sqrt(kept) * codeDeviation(bits) * mean)));
  run.exponents.fill(exponent);
  const unit = scaleUnit(format);
  for (let i = 0; i < run.scales.length; i++) {
    const scale = 32_768 + (random.nextUint32() >>> 18);
    run.scales[i] = scale - (scale % unit);
  }
  // The middle of 0..2^bits-1 in half steps; W8 has them in steps of 16.
  run.zeroHalves.fill(bits === 8 ? 256 : 2 ** bits - 1);
}

function fillCodes(run: QuantizedRows, columns: number, groups: number, random: Xoshiro128): void {
  const words = new Uint32Array(run.codes.buffer, 0, (run.rows * groups * groupSize) / 4);
  for (let i = 0; i < words.length; i++) words[i] = random.nextUint32();
  const padding = groups * groupSize - columns;
  if (padding > 0) {
    for (let row = 1; row <= run.rows; row++) {
      const end = row * groups * groupSize;
      run.codes.fill(0, end - padding, end);
    }
  }
  if (run.patterns === undefined) return;
  const patterns = run.patterns.subarray(0, (run.rows * groups * groupSize) / 4);
  for (let i = 0; i < patterns.length; i++) patterns[i] = random.nextUint32() % keepPatterns.length;
}

/** Float16 numbers, evenly spread with a deviation of 1. */
function writeEmbedding(table: Uint8Array, rowBytes: number, model: ModelConfig, random: Xoshiro128): void {
  const values = Uint16Array.from({ length: 256 }, (_, i) => toFloat16Bits((i - 127.5) / 74));
  for (let token = 0; token < model.vocabSize; token++) {
    const row = new Uint16Array(table.buffer, token * rowBytes, model.hiddenSize);
    for (let i = 0; i < row.length; i += 4) {
      let word = random.nextUint32();
      for (let k = i; k < Math.min(i + 4, row.length); k++, word >>>= 8) row[k] = values[word & 0xff]!;
    }
  }
}
