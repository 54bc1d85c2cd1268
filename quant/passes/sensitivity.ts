import { availableParallelism } from "node:os";
import { modelTensors } from "../format/image-plan.ts";
import { biasName, FINAL_NORM, LM_HEAD, layerTensorName } from "../format/inventory.ts";
import { formatsByBits, type WeightFormat, weightFormats } from "../format/weight-layout.ts";
import { type Checkpoint, openCheckpoint } from "../io/checkpoint.ts";
import { layerMatrices, NativeModel, type ProbeMethod } from "../native/native-model.ts";
import { calibrationSequences } from "./calibration-text.ts";
import { embeddingsOf } from "./embeddings.ts";
import { exactMatrix, maskOf } from "./exact-matrix.ts";
import { gridKind } from "./grid.ts";
import type { QuantizeHooks } from "./quantize-options.ts";
import { throwIfAborted } from "./steps.ts";

export interface SensitivityOptions {
  readonly checkpoint: string;
  readonly tokenizer?: string | undefined;
  /** Text to measure on; default: what the model writes itself. */
  readonly calibration?: string | undefined;
  /** Whether matrices are quantized by GPTQ or to nearest. */
  readonly calibrated: boolean;
  /** Formats that are tried on every matrix; default all. */
  readonly formats?: readonly WeightFormat[] | undefined;
  readonly threads?: number | undefined;
  readonly seed?: number | undefined;
}

/** What one matrix costs. */
export interface TensorSensitivity {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /**
   * Mean KL divergence (nats a token) of the model with only this matrix quantized from the float model, by format; 0
   * where its weights lie on the format's grid.
   */
  readonly losses: Partial<Readonly<Record<WeightFormat, number>>>;
}

export interface Sensitivity {
  /** Tokens that were predicted. */
  readonly tokens: number;
  /** In the order of the forward pass. */
  readonly tensors: readonly TensorSensitivity[];
}

/** Tokens of a sequence; how many sequences at most and at least. */
const sequence = { length: 128, most: 32, least: 2 } as const;
/** Bytes that the hidden states of all variants of the model may take. */
const stateBytes = 2 ** 30;
const damping = 0.01;
const sweeps = 4;

/**
 * Measures what every matrix loses by itself in every format: one pass over the checkpoint, in which the float model
 * and a variant of it for each matrix and format go through the layers side by side, the weights of one layer in
 * memory. Activations and cache stay in float.
 * @throws ToolchainError where the native library is missing, UsageError where a text is needed, InputError,
 *   InterruptedError.
 */
export async function measureSensitivity(
  options: SensitivityOptions,
  hooks: QuantizeHooks = {},
): Promise<Sensitivity> {
  const { tokenizer, threads = availableParallelism(), formats = formatsByBits } = options;
  const checkpoint = await openCheckpoint(options.checkpoint, tokenizer === undefined ? {} : { tokenizer });
  const model = new NativeModel(checkpoint.config, false, threads);
  try {
    const sequences = await shortSequences(checkpoint, options, formats.length, hooks);
    const probes = new Probes(checkpoint, model, formats, options.calibrated, hooks);
    return { tokens: sequences.flat().length, tensors: await probes.run(sequences) };
  } finally {
    model.close();
    await checkpoint.close();
  }
}

async function shortSequences(
  checkpoint: Checkpoint,
  { calibration, seed = 1 }: SensitivityOptions,
  formats: number,
  { signal, progress }: QuantizeHooks,
): Promise<number[][]> {
  const { layers, hiddenSize, maxPositions } = checkpoint.config;
  const length = Math.min(sequence.length, maxPositions);
  const perSequence = 4 * hiddenSize * length * layers * layerMatrices.length * formats;
  const count = Math.min(sequence.most, Math.max(sequence.least, Math.floor(stateBytes / perSequence)));
  const onToken = () => {
    throwIfAborted(signal);
    progress?.({ done: 0, total: 1, tensor: "writing a text to measure on" });
  };
  return calibrationSequences(checkpoint, calibration, { count, length, seed, onToken, signal });
}

class Probes {
  readonly #checkpoint: Checkpoint;
  readonly #model: NativeModel;
  readonly #formats: readonly WeightFormat[];
  readonly #how: ProbeMethod;
  readonly #hooks: QuantizeHooks;
  /** Tensor and format of every variant in the library. */
  readonly #variants: { readonly name: string; readonly format: WeightFormat }[] = [];
  readonly #losses = new Map<string, Partial<Record<WeightFormat, number>>>();

  constructor(
    checkpoint: Checkpoint,
    model: NativeModel,
    formats: readonly WeightFormat[],
    calibrated: boolean,
    hooks: QuantizeHooks,
  ) {
    this.#checkpoint = checkpoint;
    this.#model = model;
    this.#formats = formats;
    this.#how = { calibrated, damping, sweeps };
    this.#hooks = hooks;
  }

  async run(sequences: readonly (readonly number[])[]): Promise<TensorSensitivity[]> {
    const { config } = this.#checkpoint;
    const model = this.#model;
    model.setSequences(sequences, await embeddingsOf(this.#checkpoint, sequences.flat()));
    // Probing a layer takes as long as all variants so far, and the head about as long as a layer at the end.
    const total = (config.layers * (config.layers + 1)) / 2 + config.layers;
    for (let layer = 0; layer < config.layers; layer++) {
      await this.#layer(layer, (part) =>
        this.#tell(((layer * (layer + 1)) / 2 + part * (layer + 1)) / total, `probing layer ${layer}`),
      );
    }
    const start = 1 - config.layers / total;
    await this.#outputs((part) => this.#tell(start + (1 - start) * part, "comparing predictions"));
    const { matrices } = modelTensors(config);
    return matrices.map(({ name, rows, columns }) => ({
      name,
      rows,
      columns,
      losses: this.#losses.get(name)!,
    }));
  }

  async #layer(layer: number, tell: (part: number) => void): Promise<void> {
    const model = this.#model;
    tell(0);
    const weights = new Map<string, Float32Array>();
    for (const tensor of [...layerMatrices, "inputNorm", "postNorm"] as const) {
      const values = await this.#read(layerTensorName(layer, tensor));
      model.setTensor(layer, tensor, values);
      weights.set(tensor, values);
    }
    for (const matrix of layerMatrices) {
      const bias = biasName(layerTensorName(layer, matrix));
      if (this.#checkpoint.tensors.has(bias)) model.setBias(layer, matrix, await this.#read(bias));
    }
    await model.advanceProbes(layer);
    for (const [i, matrix] of layerMatrices.entries()) {
      const name = layerTensorName(layer, matrix);
      const { rows, cols } = this.#checkpoint.tensors.get(name)!;
      const values = weights.get(matrix)!;
      for (const format of this.#formats) {
        tell(i / layerMatrices.length);
        if (this.#isExact(name, values, format)) continue;
        const { sparse } = weightFormats[format];
        const keep = sparse ? maskOf(values, rows, cols) : null;
        model.setFormat(layer, matrix, gridKind(format), sparse, keep);
        await model.probe(layer, matrix, this.#how);
        this.#variants.push({ name, format });
      }
    }
    await model.target(layer);
    model.release(layer);
  }

  async #outputs(tell: (part: number) => void): Promise<void> {
    const model = this.#model;
    const head = await this.#read(LM_HEAD);
    model.setTables(null, await this.#read(FINAL_NORM), head);
    const all = this.#variants.length + this.#formats.length;
    for (const [i, { name, format }] of this.#variants.entries()) {
      tell(i / all);
      this.#note(name, format, await model.probeLoss(i));
    }
    for (const [i, format] of this.#formats.entries()) {
      tell((this.#variants.length + i) / all);
      if (this.#isExact(LM_HEAD, head, format)) continue;
      // The output matrix is always rounded to nearest.
      const how = { ...this.#how, calibrated: false };
      const loss = await model.probeHead(gridKind(format), weightFormats[format].sparse, how);
      this.#note(LM_HEAD, format, loss);
    }
    tell(1);
  }

  /** Whether a matrix loses nothing, which is noted. */
  #isExact(name: string, values: Float32Array, format: WeightFormat): boolean {
    const { rows, cols } = this.#checkpoint.tensors.get(name)!;
    if (exactMatrix(values, format, rows, cols) === undefined) return false;
    this.#note(name, format, 0);
    return true;
  }

  #note(name: string, format: WeightFormat, loss: number): void {
    // Float32 leaves differences of 1e-9 or so either way.
    this.#losses.set(name, { ...this.#losses.get(name), [format]: Math.max(0, loss) });
  }

  #read(name: string): Promise<Float32Array> {
    return this.#checkpoint.readRows(name, 0, this.#checkpoint.tensors.get(name)!.rows);
  }

  #tell(part: number, what: string): void {
    throwIfAborted(this.#hooks.signal);
    this.#hooks.progress?.({ done: part, total: 1, tensor: what });
  }
}
