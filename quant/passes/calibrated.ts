import { createHash } from "node:crypto";
import { InterruptedError } from "../../host/errors.ts";
import { EMBEDDING, FINAL_NORM, LM_HEAD, layerTensorName } from "../format/inventory.ts";
import { type WeightFormat, weightFormats } from "../format/weight-layout.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import { layerMatrices, NativeModel, type Rates, wholeModel } from "../native/native-model.ts";
import { emptyGrid, exactMatrix, maskOf } from "./exact-matrix.ts";
import { gridKind } from "./grid.ts";
import { finishMatrix, type TrainedMatrix, withTrained } from "./trained-checkpoint.ts";
import {
  splitSequences,
  type TrainingCheckpoints,
  type TrainingResult,
  type TrainingSet,
  train,
} from "./training.ts";
import { WorkFolder } from "./work-folder.ts";

/** What a calibrated quantization does beyond GPTQ (SparseGPT for 2:4). */
export interface CalibratedOptions {
  readonly formats: ReadonlyMap<string, WeightFormat>;
  /** Calibration sequences of token ids, all of one length. */
  readonly sequences: readonly (readonly number[])[];
  readonly hadamard: boolean;
  /** Whether key means are subtracted; else they are taken as zero. */
  readonly centered: boolean;
  /** Epochs of training layer by layer, and end to end; 0 for none. */
  readonly reconstruct: number;
  readonly finetune: number;
  readonly threads: number;
  readonly seed: number;
  /** Called with the part done, 0..1, and what is done. */
  readonly onProgress: (part: number, what: string) => void;
  readonly signal?: AbortSignal | undefined;
  /** Image that this is for: training keeps its state beside it. */
  readonly output: string;
  /** Go on with the state that a killed run left. */
  readonly resume: boolean;
}

/** A checkpoint whose matrices lie on the grids of their formats, and what else an image stores. */
export interface Calibrated {
  readonly checkpoint: Checkpoint;
  readonly keyMeans: Float32Array[];
  readonly layers: readonly TrainingResult[];
  readonly model: TrainingResult | undefined;
  /** Removes the state of training; to be called when the image is complete. */
  finish(): Promise<void>;
}

/** Share of the mean diagonal that is added to a Hessian's. */
const damping = 0.01;
/** Sweeps of coordinate descent after GPTQ. */
const sweeps = 4;

const noRates: Rates = { position: 0, scale: 0, gain: 0, embedding: 0, head: 0 };
export const layerRates = {
  dense: { ...noRates, position: 5e-3, scale: 1e-3, gain: 5e-4 },
  sparse: { ...noRates, position: 1e-2, scale: 2e-3, gain: 5e-4 },
} as const;
export const modelRates = {
  dense: { position: 1e-2, scale: 2e-3, gain: 1e-3, embedding: 5e-4, head: 5e-4 },
  sparse: { position: 2e-2, scale: 3e-3, gain: 1e-3, embedding: 5e-4, head: 5e-4 },
} as const;

/** Sequences of one training step. */
const batch = { layer: 4, model: 4 } as const;

/**
 * Quantizes the matrices of all layers on calibration sequences: GPTQ or SparseGPT, then training as asked for.
 * Matrices that lie on a grid of their format stay as they are. Holds one layer after the other in float32; with
 * finetune all of them.
 * @throws ToolchainError where the native library is missing, InterruptedError.
 */
export async function calibrate(checkpoint: Checkpoint, options: CalibratedOptions): Promise<Calibrated> {
  const { config } = checkpoint;
  const model = new NativeModel(config, options.hadamard, options.threads);
  try {
    const read = (name: string) => checkpoint.readRows(name, 0, checkpoint.tensors.get(name)!.rows);
    const tables = [await read(EMBEDDING), await read(FINAL_NORM), await read(LM_HEAD)] as const;
    model.setTables(...tables);
    model.setSequences(options.sequences);
    const trained = options.reconstruct + options.finetune > 0;
    const folder = trained
      ? await WorkFolder.open(options.output, fingerprint(checkpoint, tables, options), options.resume)
      : undefined;
    const run = new Run(checkpoint, model, options, folder);
    const layers: TrainingResult[] = [];
    for (let layer = 0; layer < config.layers; layer++) layers.push(...(await run.layer(layer)));
    const whole = options.finetune > 0 ? await run.finetune() : undefined;
    return { ...run.results(), layers, model: whole, finish: async () => folder?.remove() };
  } finally {
    model.close();
  }
}

class Run {
  readonly #checkpoint: Checkpoint;
  readonly #model: NativeModel;
  readonly #set: TrainingSet;
  readonly #options: CalibratedOptions;
  readonly #folder: WorkFolder | undefined;
  readonly #matrices = new Map<string, TrainedMatrix>();
  readonly #values = new Map<string, Float32Array>();
  readonly #keyMeans: Float32Array[] = [];
  /** Whether some matrix is 2:4. */
  readonly #kind: "dense" | "sparse";

  constructor(
    checkpoint: Checkpoint,
    model: NativeModel,
    options: CalibratedOptions,
    folder: WorkFolder | undefined,
  ) {
    this.#checkpoint = checkpoint;
    this.#model = model;
    this.#set = splitSequences(options.sequences.length);
    this.#options = options;
    this.#folder = folder;
    this.#kind = [...options.formats.values()].includes("w2s24") ? "sparse" : "dense";
  }

  /** Quantizes one layer and trains it if that is asked for; takes it out where nothing is left to do. */
  async layer(layer: number): Promise<TrainingResult[]> {
    const results = await this.#quantizeLayer(layer);
    await this.#step(this.#model.advance(layer));
    if (this.#options.finetune === 0) this.#take(layer);
    return results;
  }

  async #quantizeLayer(layer: number): Promise<TrainingResult[]> {
    const { reconstruct, signal, seed, finetune } = this.#options;
    const model = this.#model;
    const layers = this.#checkpoint.config.layers;
    // End-to-end training takes about as long as all layers' own for the same number of epochs.
    const share = (1 + reconstruct) / (1 + reconstruct + finetune) / layers;
    const tell = (part: number, what: string) =>
      this.#options.onProgress(share * (layer + part), `layer ${layer}: ${what}`);
    tell(0, "reading");
    await this.#load(layer);
    tell(0, "calibrating");
    await this.#step(model.center(layer));
    if (!this.#options.centered) {
      const { kvHeads, headDim } = this.#checkpoint.config;
      model.setLayerVector(layer, "keyMean", new Float32Array(kvHeads * headDim));
    }
    const folder = this.#folder;
    if (folder !== undefined && layer < folder.state.layers.length) {
      await this.#step(model.load(layer, folder.layerFile(layer)));
      await this.#step(model.target(layer));
      return [folder.state.layers[layer] ?? []].flat();
    }
    await this.#step(model.quantizeLayer(layer, damping, sweeps));
    await this.#step(model.target(layer));
    let result: TrainingResult | undefined;
    if (reconstruct > 0) {
      const onStep = (part: number, loss: number) =>
        tell((1 + reconstruct * part) / (1 + reconstruct), `reconstructing, loss ${loss.toPrecision(3)}`);
      const schedule = { epochs: reconstruct, batch: batch.layer, rates: layerRates[this.#kind], seed };
      result = await train(model, layer, this.#set, { ...schedule, onStep, signal });
    }
    if (folder !== undefined) {
      await this.#step(model.store(layer, folder.layerFile(layer)));
      await folder.update({ layers: [...folder.state.layers, result ?? null] });
    }
    return result === undefined ? [] : [result];
  }

  async finetune(): Promise<TrainingResult> {
    const { reconstruct, finetune, signal, seed, onProgress } = this.#options;
    const start = (1 + reconstruct) / (1 + reconstruct + finetune);
    const onStep = (part: number, loss: number) =>
      onProgress(start + (1 - start) * part, `finetuning, loss ${loss.toPrecision(3)}`);
    const schedule = { epochs: finetune, batch: batch.model, rates: modelRates[this.#kind], seed };
    return train(this.#model, wholeModel, this.#set, {
      ...schedule,
      onStep,
      signal,
      checkpoints: this.#checkpoints(),
    });
  }

  #checkpoints(): TrainingCheckpoints | undefined {
    const folder = this.#folder;
    if (folder === undefined) return undefined;
    const model = this.#model;
    const done = folder.state.model ?? undefined;
    return {
      done,
      load: () => model.load(wholeModel, folder.modelFile(done?.epochs ?? 0)),
      store: async (state) => {
        await model.store(wholeModel, folder.modelFile(state.epochs));
        await folder.update({ model: state });
      },
    };
  }

  results(): Pick<Calibrated, "checkpoint" | "keyMeans"> {
    const { hiddenSize, vocabSize, layers } = this.#checkpoint.config;
    if (this.#options.finetune > 0) {
      for (let layer = 0; layer < layers; layer++) this.#take(layer);
      const values = this.#values;
      values.set(EMBEDDING, this.#model.getModelVector("embedding", vocabSize * hiddenSize));
      values.set(FINAL_NORM, this.#model.getModelVector("finalNorm", hiddenSize));
      values.set(LM_HEAD, this.#model.getModelVector("head", vocabSize * hiddenSize));
    }
    return {
      checkpoint: withTrained(this.#checkpoint, this.#matrices, this.#values),
      keyMeans: this.#keyMeans,
    };
  }

  /** Takes a finished layer out of the library, which frees it. */
  #take(layer: number): void {
    const { hiddenSize, kvHeads, headDim } = this.#checkpoint.config;
    const model = this.#model;
    for (const matrix of layerMatrices) {
      const name = layerTensorName(layer, matrix);
      const { rows, cols } = this.#checkpoint.tensors.get(name)!;
      const format = this.#options.formats.get(name)!;
      const out = emptyGrid(rows, cols, format);
      model.getLinear(layer, matrix, out);
      this.#matrices.set(name, finishMatrix(rows, cols, out, gridKind(format).maxCode));
    }
    for (const norm of ["inputNorm", "postNorm"] as const) {
      this.#values.set(layerTensorName(layer, norm), model.getLayerVector(layer, norm, hiddenSize));
    }
    this.#keyMeans.push(model.getLayerVector(layer, "keyMean", kvHeads * headDim));
    model.release(layer);
  }

  /** Gives the library a layer as it was trained, and the grids of what is exact already. */
  async #load(layer: number): Promise<void> {
    const model = this.#model;
    for (const norm of ["inputNorm", "postNorm"] as const) {
      model.setTensor(layer, norm, await this.#checkpoint.readRows(layerTensorName(layer, norm), 0, 1));
    }
    for (const matrix of layerMatrices) {
      const name = layerTensorName(layer, matrix);
      const { rows, cols } = this.#checkpoint.tensors.get(name)!;
      const weights = await this.#checkpoint.readRows(name, 0, rows);
      const format = this.#options.formats.get(name)!;
      const { sparse } = weightFormats[format];
      model.setTensor(layer, matrix, weights);
      model.setFormat(layer, matrix, gridKind(format), sparse, sparse ? maskOf(weights, rows, cols) : null);
      const exact = exactMatrix(weights, format, rows, cols);
      if (exact !== undefined) model.setLinear(layer, matrix, exact, true);
    }
  }

  async #step(work: Promise<void>): Promise<void> {
    await work;
    if (this.#options.signal?.aborted === true) throw new InterruptedError("Quantizing was interrupted.");
  }
}

/** Hash of everything that the results depend on; of the weights, the tables stand for all. */
function fingerprint(
  { config }: Checkpoint,
  tables: readonly Float32Array[],
  options: CalibratedOptions,
): string {
  const { formats, sequences, hadamard, centered, reconstruct, finetune, seed } = options;
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify({ config, formats: [...formats], hadamard, centered, reconstruct, finetune, seed }),
  );
  hash.update(Int32Array.from(sequences.flat()));
  for (const table of tables) hash.update(table);
  return hash.digest("hex");
}
