import {
  alignSection,
  beatsOf,
  type ImageHeader,
  type ImageSection,
  type ImageTensor,
  imagePreambleBytes,
  imageVersion,
  sectionNames,
  weightSection,
} from "./image-header.ts";
import { EMBEDDING, expectedTensors, isBias } from "./inventory.ts";
import { beatBytes, groupSize } from "./limits.ts";
import type { ModelConfig } from "./model.ts";
import { kernelAbiVersion, type Platform } from "./platform.ts";
import { matrixLayout, storedBitsPerWeight, type WeightFormat } from "./weight-layout.ts";

/** A tensor's shape: matrices have rows (outputs) and columns (inputs), gains and biases one row. */
export interface TensorShape {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
}

/** The tensors of a model by what becomes of them in an image, each in the order of the forward pass. */
export interface ModelTensors {
  /** Multiplied by the kernel: quantized. */
  readonly matrices: readonly TensorShape[];
  /** RMSNorm gains: float32. */
  readonly gains: readonly TensorShape[];
  /** Added to the rows of matrices: float32. */
  readonly biases: readonly TensorShape[];
}

/** @param config within the limits that {@link modelLimitProblem} checks: the lists grow with its layers. */
export function modelTensors(config: ModelConfig): ModelTensors {
  const matrices: TensorShape[] = [];
  const gains: TensorShape[] = [];
  const biases: TensorShape[] = [];
  for (const [name, shape] of expectedTensors({ ...config, bosId: config.bosId ?? 0 })) {
    if (name === EMBEDDING) continue;
    if (shape.length === 2) matrices.push({ name, rows: shape[0]!, columns: shape[1]! });
    else (isBias(name) ? biases : gains).push({ name, rows: 1, columns: shape[0]! });
  }
  return { matrices, gains, biases };
}

export interface ImagePlanOptions {
  readonly generator: string;
  readonly model: ModelConfig;
  readonly platform: Platform;
  readonly kv: ImageHeader["kv"];
  /** Format of the bulk of the weights, and how they were quantized. */
  readonly weights: WeightFormat;
  readonly method: string;
  /** Format of every matrix by name. */
  readonly formats: ReadonlyMap<string, WeightFormat>;
  /** Size in bytes of each file that is carried along, by section name. */
  readonly files: ReadonlyMap<string, number>;
}

/** What an image will look like: a header whose hashes are still zero, and how long the file gets. */
export interface ImagePlan {
  readonly header: ImageHeader;
  readonly fileBytes: number;
}

const zeroHash = "0".repeat(64);

/**
 * Lays a whole image out from shapes alone, so that every byte has its place before anything is quantized.
 * Tensors lie in the order of the forward pass, in a channel as in the table.
 */
export function planImage(options: ImagePlanOptions): ImagePlan {
  const { model, platform, formats } = options;
  const { matrices, gains, biases } = modelTensors(model);
  const channels = platform.weightChannels;

  let beats = 0;
  let bits = 0;
  let weights = 0;
  const tensors = matrices.map(({ name, rows, columns }): ImageTensor => {
    const layout = matrixLayout(formats.get(name)!, rows, columns, channels);
    const tensor = { name, format: layout.format, rows, columns, offset: beats, beats: layout.beats };
    beats += layout.beats;
    bits += storedBitsPerWeight(layout) * rows * columns;
    weights += rows * columns;
    return tensor;
  });

  const rowBeats = beatsOf(model.hiddenSize * 2);
  let tableBeats = rowBeats * model.vocabSize;
  const place = (floats: number): number => {
    const offset = tableBeats;
    tableBeats += beatsOf(floats * 4);
    return offset;
  };
  const placeAll = (tensors: readonly TensorShape[]) =>
    Object.fromEntries(tensors.map(({ name, columns }) => [name, place(columns)]));
  const gainOffsets = placeAll(gains);
  const biasOffsets = placeAll(biases);
  const keyMeans = Array.from({ length: model.layers }, () => place(model.kvHeads * model.headDim));

  const sizes: [string, number][] = [
    ...Array.from({ length: channels }, (_, c): [string, number] => [weightSection(c), beats * beatBytes]),
    [sectionNames.table, tableBeats * beatBytes],
    ...options.files,
  ];
  const header: ImageHeader = {
    format: "accllm-image",
    version: imageVersion,
    abi: kernelAbiVersion,
    generator: options.generator,
    model,
    platform: { name: platform.name, weightChannels: channels, kvChannels: platform.kvChannels },
    kv: options.kv,
    quantization: {
      group: groupSize,
      weights: options.weights,
      method: options.method,
      bitsPerWeight: bits / weights,
    },
    tensors,
    table: { embedding: { offset: 0, rowBeats }, gains: gainOffsets, biases: biasOffsets, keyMeans },
    sections: sizes.map(([name, bytes]) => ({
      name,
      offset: Number.MAX_SAFE_INTEGER,
      bytes,
      sha256: zeroHash,
    })),
  };
  // The placeholder offsets print at least as long as the real ones, so the header fits in front of them.
  const { sections, fileBytes } = placeSections(header);
  return { header: { ...header, sections }, fileBytes };
}

function placeSections(header: ImageHeader): { sections: ImageSection[]; fileBytes: number } {
  let offset = alignSection(imagePreambleBytes + Buffer.byteLength(JSON.stringify(header)));
  let end = offset;
  const sections = header.sections.map((section) => {
    const placed = { ...section, offset };
    end = offset + section.bytes;
    offset = alignSection(end);
    return placed;
  });
  return { sections, fileBytes: end };
}
