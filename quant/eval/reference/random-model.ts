import { biasName, expectedTensors, isBias } from "../../format/inventory.ts";
import { beatBytes } from "../../format/limits.ts";
import type { ModelConfig } from "../../format/model.ts";
import {
  keepPatterns,
  type MatrixLayout,
  matrixLayout,
  type WeightFormat,
  weightFormats,
} from "../../format/weight-layout.ts";
import { emptyRows, packRows } from "../../format/weight-pack.ts";
import { toFloat16 } from "./float16.ts";
import type { ReferenceSpec } from "./model.ts";
import { Random } from "./random.ts";

/** What to fix of a random model; the rest follows from the seed. */
export interface RandomShape {
  /** Weight and KV channels of the platform it is to run on; defaults 2 and 1 (platform `tiny`). */
  readonly weightChannels?: number;
  readonly kvChannels?: number;
  readonly config?: Partial<ModelConfig>;
  readonly hadamard?: boolean;
  readonly centered?: boolean;
  readonly sinks?: number;
  readonly window?: number;
  /** Format of every matrix; random for each where absent. */
  readonly format?: WeightFormat;
}

export interface RandomMatrix {
  readonly layout: MatrixLayout;
  /** The tensor's bytes in every weight channel. */
  readonly channels: readonly Uint8Array[];
}

/** A model that the reference takes as it is, with lists of everything that an image of it holds. */
export interface RandomModel extends ReferenceSpec {
  readonly seed: number;
  readonly weightChannels: number;
  readonly centered: boolean;
  /** By Hugging Face name, in the order of the layers, lm_head.weight last. */
  readonly matrices: ReadonlyMap<string, RandomMatrix>;
  readonly gains: ReadonlyMap<string, Float32Array>;
  readonly biases: ReadonlyMap<string, Float32Array>;
  /** One a layer, [kvHeads * headDim]; empty where keys are not centred. */
  readonly keyMeans: readonly Float32Array[];
}

/**
 * A small model with random dimensions, formats and weights, the same for the same arguments on every machine.
 * Activations keep the size that they have in trained models; what nothing may depend on (codes in padding rows
 * and columns) is random too.
 */
export function randomModel(seed: number, shape: RandomShape = {}): RandomModel {
  const random = new Random(seed);
  const drawnConfig = randomConfig(random, shape.config ?? {});
  // Drawn whether or not the shape fixes them, so that fixing one leaves the others as they were.
  const drawn = {
    hadamard: random.chance(0.5),
    centered: random.chance(0.5),
    sinks: random.between(0, 4),
    window: random.between(1, 24),
  };
  const centered = shape.centered ?? drawn.centered;
  const weightChannels = shape.weightChannels ?? 2;
  const matrices = new Map<string, RandomMatrix>();
  for (const { name, rows, columns, gain } of matrixShapes(drawnConfig)) {
    const format = random.pick(Object.keys(weightFormats) as WeightFormat[]);
    const layout = matrixLayout(shape.format ?? format, rows, columns, weightChannels);
    matrices.set(name, { layout, channels: randomWeights(random, layout, gain) });
  }
  const gains = new Map(
    gainNames(drawnConfig).map((name) => [name, randomGain(random, drawnConfig.hiddenSize)]),
  );
  const embedding = randomEmbedding(random, drawnConfig);
  const keyMeans = centered ? randomMeans(random, drawnConfig) : [];
  // Last, so that whether there are biases changes nothing else.
  const attentionBias = random.pick(["none", "none", "qkv", "all"] as const);
  const config = { ...drawnConfig, attentionBias: shape.config?.attentionBias ?? attentionBias };
  const biases = randomBiases(random, config);
  return {
    seed,
    config,
    hadamard: shape.hadamard ?? drawn.hadamard,
    centered,
    sinks: shape.sinks ?? drawn.sinks,
    window: shape.window ?? drawn.window,
    weightChannels,
    kvChannels: shape.kvChannels ?? 1,
    matrices,
    gains,
    biases,
    keyMeans,
    matrix: (name) => named(matrices, name),
    gain: (name) => named(gains, name),
    bias: (matrix) => biases.get(biasName(matrix)),
    embeddingRow: (token) => embedding.subarray(token * config.hiddenSize, (token + 1) * config.hiddenSize),
    keyMean: (layer) => keyMeans[layer],
  };
}

function named<T>(entries: ReadonlyMap<string, T>, name: string): T {
  const entry = entries.get(name);
  if (entry === undefined) throw new Error(`The random model has no tensor ${name}.`);
  return entry;
}

function randomConfig(random: Random, fixed: Partial<ModelConfig>): ModelConfig {
  const drawn = random.between(1, 3);
  const kvHeads = fixed.kvHeads ?? drawn;
  const originalMaxPositions = 64;
  return {
    architecture: "llama",
    hiddenSize: 4 * random.between(2, 40),
    intermediateSize: random.pick([44, 64, 97, 172, 200, 258]),
    layers: random.between(1, 3),
    heads: kvHeads * random.between(1, 4),
    kvHeads,
    headDim: random.pick([2, 4, 6, 8, 10, 12, 16, 24, 32, 64]),
    attentionBias: "none",
    vocabSize: random.pick([7, 64, 105, 130, 259]),
    slidingWindow: null,
    maxPositions: 4096,
    rmsNormEps: random.pick([1e-5, 1e-6]),
    ropeTheta: random.pick([10000, 500000]),
    ropeScaling: random.pick([
      null,
      { type: "linear", factor: 4 } as const,
      { type: "llama3", factor: 8, lowFreqFactor: 1, highFreqFactor: 4, originalMaxPositions } as const,
    ]),
    tieWordEmbeddings: false,
    bosId: 1,
    eosIds: [2],
    ...fixed,
  };
}

interface MatrixShape {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Size of the outputs for inputs of size 1. */
  readonly gain: number;
}

function matrixShapes(config: ModelConfig): MatrixShape[] {
  const { hiddenSize, intermediateSize, heads, kvHeads, headDim, vocabSize } = config;
  const shapes: MatrixShape[] = [];
  for (let layer = 0; layer < config.layers; layer++) {
    const add = (part: string, rows: number, columns: number, gain: number): void => {
      shapes.push({ name: `model.layers.${layer}.${part}.weight`, rows, columns, gain });
    };
    // Queries and keys of size 2 make scores of size 4: some heads look at one key, some at many.
    add("self_attn.q_proj", heads * headDim, hiddenSize, 2);
    add("self_attn.k_proj", kvHeads * headDim, hiddenSize, 2);
    add("self_attn.v_proj", kvHeads * headDim, hiddenSize, 1);
    add("self_attn.o_proj", hiddenSize, heads * headDim, 1);
    add("mlp.gate_proj", intermediateSize, hiddenSize, 2);
    add("mlp.up_proj", intermediateSize, hiddenSize, 1);
    add("mlp.down_proj", hiddenSize, intermediateSize, 0.5);
  }
  shapes.push({ name: "lm_head.weight", rows: vocabSize, columns: hiddenSize, gain: 2 });
  return shapes;
}

/** Zero-points in half steps: mostly in the middle of the codes, now and then anything that the layout holds. */
function randomZeroHalf(random: Random, format: WeightFormat): number {
  const { bits, zeroShift, zeroCodes } = weightFormats[format];
  if (random.chance(0.04)) return random.below(zeroCodes) << zeroShift;
  const middle = ((1 << bits) - 1) >> zeroShift;
  return (middle + random.between(-1, 1)) << zeroShift;
}

function randomWeights(random: Random, layout: MatrixLayout, gain: number): Uint8Array[] {
  const { bits } = weightFormats[layout.format];
  const rowCount = layout.tiles * layout.channels * 4;
  const rows = emptyRows(layout, rowCount);
  const spread = Math.sqrt(layout.columns * (4 ** bits / 12) * (rows.patterns ? 0.5 : 1));
  for (let i = 0; i < rows.codes.length; i++) rows.codes[i] = random.below(1 << bits);
  if (rows.patterns) {
    for (let i = 0; i < rows.patterns.length; i++) rows.patterns[i] = random.below(keepPatterns.length);
  }
  for (let r = 0; r < rowCount; r++) {
    const largest = random.chance(0.1) ? 0xffff : random.between(8, 0xffff);
    rows.exponents[r] = Math.round(Math.log2(gain / (spread * largest))) + random.between(-1, 1);
    for (let g = 0; g < layout.groups; g++) {
      // The largest, down to a 32nd of it, and now and then a group of zeros.
      const m = random.chance(0.02) ? 0 : Math.ceil(largest / (1 + random.below(32) * random.below(2)));
      rows.scales[r * layout.groups + g] = m;
      rows.zeroHalves[r * layout.groups + g] = randomZeroHalf(random, layout.format);
    }
  }
  const channels = Array.from({ length: layout.channels }, () => new Uint8Array(layout.beats * beatBytes));
  packRows(layout, rows, 0, channels, 0);
  return channels;
}

function gainNames(config: ModelConfig): string[] {
  const names = Array.from({ length: config.layers }, (_, layer) => [
    `model.layers.${layer}.input_layernorm.weight`,
    `model.layers.${layer}.post_attention_layernorm.weight`,
  ]);
  return [...names.flat(), "model.norm.weight"];
}

/** Of the size that trained models have: mostly as large as what they are added to, now and then much larger. */
function randomBiases(random: Random, config: ModelConfig): Map<string, Float32Array> {
  const biases = new Map<string, Float32Array>();
  for (const [name, [length]] of expectedTensors(config)) {
    if (!isBias(name)) continue;
    const values = Float32Array.from(
      { length: length! },
      () => random.normal() * (random.chance(0.05) ? 20 : 1),
    );
    biases.set(name, values);
  }
  return biases;
}

function randomGain(random: Random, length: number): Float32Array {
  return Float32Array.from({ length }, () => 1 + 0.3 * random.normal());
}

/** Means of the size that trained keys have: a few channels far from zero. */
function randomMeans(random: Random, config: ModelConfig): Float32Array[] {
  return Array.from({ length: config.layers }, () =>
    Float32Array.from(
      { length: config.kvHeads * config.headDim },
      () => random.normal() * (random.chance(0.1) ? 5 : 0.5),
    ),
  );
}

function randomEmbedding(random: Random, config: ModelConfig): Uint16Array {
  return Uint16Array.from({ length: config.vocabSize * config.hiddenSize }, () =>
    toFloat16(Math.fround(random.normal())),
  );
}
