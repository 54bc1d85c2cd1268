import { InterruptedError } from "../../host/errors.ts";
import { biasName, EMBEDDING, FINAL_NORM, LM_HEAD, layerTensorName } from "../format/inventory.ts";
import { weightFormats } from "../format/weight-layout.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import { layerMatrices, NativeModel, type Rates, wholeModel } from "../native/native-model.ts";
import { type Calibrated, type CalibratedOptions, fingerprint } from "./calibrated-options.ts";
import { embeddingsOf } from "./embeddings.ts";
import { emptyGrid, exactMatrix, maskOf } from "./exact-matrix.ts";
import { gridKind } from "./grid.ts";
import { scaleUnit } from "./round.ts";
import { readStoredGrid, storedGrid } from "./stored-grid.ts";
import { finishMatrix, type TrainedMatrix, withTrained } from "./trained-checkpoint.ts";
import {
  splitSequences,
  type TrainingCheckpoints,
  type TrainingResult,
  type TrainingSet,
  train,
} from "./training.ts";
import { WorkFolder } from "./work-folder.ts";

/** Share of the mean diagonal that is added to a Hessian's. */
const damping = 0.01;
/** Sweeps of coordinate descent after GPTQ. */
const sweeps = 4;

/** Milliseconds between two looks at how far the library is. */
const lookEvery = 200;

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
 * finetune all of them, which are then done when this returns.
 * @throws ToolchainError where the native library is missing, InterruptedError.
 */
export async function calibrate(checkpoint: Checkpoint, options: CalibratedOptions): Promise<Calibrated> {
  const { config } = checkpoint;
  const model = new NativeModel(config, options.hadamard, options.threads);
  try {
    const read = (name: string) => checkpoint.readRows(name, 0, checkpoint.tensors.get(name)!.rows);
    if (options.finetune > 0) {
      model.setTables(await read(EMBEDDING), await read(FINAL_NORM), await read(LM_HEAD));
    }
    const states = await embeddingsOf(checkpoint, options.sequences.flat());
    model.setSequences(options.sequences, states);
    const trained = options.reconstruct + options.finetune > 0;
    const folder = trained
      ? await WorkFolder.open(
          options.output,
          fingerprint(config, [states, await read(FINAL_NORM)], options),
          options.resume,
        )
      : undefined;
    const run = new Run(checkpoint, model, options, folder);
    const whole = options.finetune > 0 ? await run.finetune() : undefined;
    return {
      checkpoint: run.checkpoint,
      keyMeans: run.keyMeans,
      model: whole,
      finish: async () => folder?.remove(),
      close: () => model.close(),
    };
  } catch (error) {
    model.close();
    throw error;
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
  /** Matrices that stay as they are. */
  readonly #exact = new Set<string>();
  readonly keyMeans: Float32Array[] = [];
  readonly checkpoint: Checkpoint;
  #done = 0;
  #working: Promise<void> = Promise.resolve();
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
    const prepare = (name: string) => this.#need(name);
    this.checkpoint = withTrained(checkpoint, this.#matrices, this.#values, prepare);
  }

  /** Sees to the layers up to the one that a tensor belongs to. Several readers may ask at once. */
  #need(name: string): Promise<void> {
    const layer = layerOf(name);
    if (layer === undefined || this.#options.finetune > 0) return Promise.resolve();
    // One after the other: the library takes one call at a time.
    const needed = this.#working.then(() => this.#upTo(layer));
    this.#working = needed.catch(() => {});
    return needed;
  }

  /** What is before the last layer will not be asked for again. */
  async #upTo(layer: number): Promise<void> {
    while (this.#done <= layer) {
      this.#matrices.clear();
      await this.#layer(this.#done);
      this.#take(this.#done++);
    }
  }

  /** Quantizes one layer, and trains it if that is asked for. */
  async #layer(layer: number): Promise<void> {
    const tell = (part: number, what: string) => this.#tell(layer, part, what);
    await this.#quantizeLayer(layer, tell);
    await this.#step(this.#model.advance(layer), (part) => tell(part, "advancing"));
  }

  #tell(layer: number, part: number, what: string): void {
    const { reconstruct, finetune, onProgress } = this.#options;
    // End-to-end training takes about as long as all layers' own for the same number of epochs.
    const share = (1 + reconstruct) / (1 + reconstruct + finetune) / this.#checkpoint.config.layers;
    onProgress(share * (layer + part), `layer ${layer}: ${what}`);
  }

  async #quantizeLayer(layer: number, tell: (part: number, what: string) => void): Promise<void> {
    const { reconstruct, signal, seed } = this.#options;
    const model = this.#model;
    const told = (part: number) => tell(part / (1 + reconstruct), "quantizing");
    tell(0, "reading");
    await this.#load(layer);
    await this.#step(model.center(layer), told);
    if (!this.#options.centered) {
      const { kvHeads, headDim } = this.#checkpoint.config;
      model.setLayerVector(layer, "keyMean", new Float32Array(kvHeads * headDim));
    }
    const folder = this.#folder;
    if (folder !== undefined && layer < folder.state.layers.length) {
      await this.#step(model.load(layer, folder.layerFile(layer)));
      await this.#step(model.target(layer));
      return;
    }
    await this.#step(model.quantizeLayer(layer, damping, sweeps), told);
    await this.#step(model.target(layer), told);
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
  }

  /** Quantizes all layers, trains the whole model and takes everything out of the library. */
  async finetune(): Promise<TrainingResult> {
    const { layers } = this.#checkpoint.config;
    for (let layer = 0; layer < layers; layer++) await this.#layer(layer);
    const result = await this.#trainModel();
    this.#takeModel();
    return result;
  }

  #trainModel(): Promise<TrainingResult> {
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

  #takeModel(): void {
    const { hiddenSize, vocabSize, layers } = this.#checkpoint.config;
    for (let layer = 0; layer < layers; layer++) this.#take(layer);
    const values = this.#values;
    values.set(EMBEDDING, this.#model.getModelVector("embedding", vocabSize * hiddenSize));
    values.set(FINAL_NORM, this.#model.getModelVector("finalNorm", hiddenSize));
    values.set(LM_HEAD, this.#model.getModelVector("head", vocabSize * hiddenSize));
  }

  /** Takes a finished layer out of the library, which frees it. */
  #take(layer: number): void {
    const { hiddenSize, kvHeads, headDim } = this.#checkpoint.config;
    const model = this.#model;
    for (const matrix of layerMatrices) {
      const name = layerTensorName(layer, matrix);
      const { rows, cols } = this.#checkpoint.tensors.get(name)!;
      const format = this.#options.formats.get(name)!;
      if (storedGrid(this.#checkpoint.tensors.get(name)!, format) !== undefined) continue;
      const out = emptyGrid(rows, cols, format);
      model.getLinear(layer, matrix, out);
      const unit = this.#exact.has(name) ? 1 : scaleUnit(format);
      const { maxCode } = gridKind(format);
      this.#matrices.set(name, finishMatrix(rows, cols, out, { maxCode, scaleUnit: unit }));
    }
    for (const norm of ["inputNorm", "postNorm"] as const) {
      this.#values.set(layerTensorName(layer, norm), model.getLayerVector(layer, norm, hiddenSize));
    }
    this.keyMeans.push(model.getLayerVector(layer, "keyMean", kvHeads * headDim));
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
      const bias = biasName(name);
      if (this.#checkpoint.tensors.has(bias)) {
        model.setBias(layer, matrix, await this.#checkpoint.readRows(bias, 0, 1));
      }
      const format = this.#options.formats.get(name)!;
      const { sparse } = weightFormats[format];
      model.setTensor(layer, matrix, weights);
      model.setFormat(layer, matrix, gridKind(format), sparse, sparse ? maskOf(weights, rows, cols) : null);
      const grid = storedGrid(this.#checkpoint.tensors.get(name)!, format);
      const exact = grid ? await readStoredGrid(grid, rows, cols) : exactMatrix(weights, format, rows, cols);
      if (exact === undefined) continue;
      model.setLinear(layer, matrix, exact, true);
      this.#exact.add(name);
    }
  }

  /** Waits for a call of the library, telling how far it is, and stops it when the signal fires. */
  async #step(work: Promise<void>, told: (part: number) => void = () => {}): Promise<void> {
    const { signal } = this.#options;
    const look = setInterval(() => {
      if (signal?.aborted === true) this.#model.stop();
      else told(this.#model.progress);
    }, lookEvery);
    try {
      await work;
    } catch (error) {
      if (signal?.aborted !== true) throw error;
    } finally {
      clearInterval(look);
    }
    if (signal?.aborted === true) throw new InterruptedError("Quantizing was interrupted.");
  }
}

/** Index of the layer that a tensor is of. */
function layerOf(name: string): number | undefined {
  const found = /^model\.layers\.(\d+)\./.exec(name);
  return found === null ? undefined : Number(found[1]);
}
