import { AccllmError } from "../../host/errors.ts";
import type { LayerTensor } from "../format/inventory.ts";
import { ropeFrequencies } from "../format/rope.ts";
import type { ModelConfig } from "../io/config.ts";
import type { GridKind } from "../passes/grid.ts";
import type { Handle, QuantFunctionName, QuantFunctions } from "./binding.ts";
import { QuantLibrary } from "./library.ts";

/** A layer's matrices in the library's order; its two norms follow. */
export const layerMatrices = ["query", "key", "value", "output", "gate", "up", "down"] as const;
export type LayerMatrix = (typeof layerMatrices)[number];
const layerTensors: readonly LayerTensor[] = [...layerMatrices, "inputNorm", "postNorm"];

/** A quantized matrix in the library: weights scale * (round(position) - zeroHalf / 2). */
export interface GridMatrix {
  /** [rows][columns], in steps. */
  readonly positions: Float32Array;
  /** [rows][groups] */
  readonly scales: Float32Array;
  /** [rows][groups] */
  readonly zeroHalves: Uint16Array;
  /** [rows][columns], 1 where 2:4 keeps the weight; null for dense formats. */
  readonly keep: Uint8Array | null;
}

/** Learning rates of one step of Adam. */
export interface Rates {
  /** Positions on the grid, in steps of a two-bit grid. */
  readonly position: number;
  /** Scales, by factors. */
  readonly scale: number;
  readonly gain: number;
  readonly embedding: number;
  readonly head: number;
}

/** How a probed matrix is quantized: GPTQ where calibrated, else to nearest. */
export interface ProbeMethod {
  readonly calibrated: boolean;
  readonly damping: number;
  readonly sweeps: number;
}

/** Vectors of a layer that can be read and set. */
export const layerVectors = { inputNorm: 0, postNorm: 1, keyMean: 2 } as const;
export const modelVectors = { embedding: 0, finalNorm: 1, head: 2 } as const;
/** In place of a layer: the whole model, with its own loss. */
export const wholeModel = -1;

/**
 * A Llama in the native library, quantized layer by layer on calibration sequences; see quant/native/model.hpp. Only
 * one call at a time.
 */
export class NativeModel {
  readonly #library: QuantLibrary;
  readonly #handle: Handle;
  #closed = false;

  /** @param hadamard whether keys and values are rotated. @throws ToolchainError where the library is missing. */
  constructor(config: ModelConfig, hadamard: boolean, threads: number, library = new QuantLibrary()) {
    this.#library = library;
    const { hiddenSize, intermediateSize, heads, kvHeads, headDim, layers, vocabSize } = config;
    const shape = [
      hiddenSize,
      intermediateSize,
      heads,
      kvHeads,
      headDim,
      Number(hadamard),
      layers,
      vocabSize,
    ];
    const out: [Handle] = [null];
    this.#check(
      library.call(
        "accllmQuantOpen",
        Int32Array.from([...shape, threads]),
        config.rmsNormEps,
        ropeFrequencies(config),
        out,
      ),
    );
    this.#handle = out[0];
  }

  /** Gives what is needed where work ends in logits; the embedding only for training the whole model. */
  setTables(embedding: Float32Array | null, finalNorm: Float32Array, head: Float32Array): void {
    this.#call("accllmQuantSetTables", embedding, finalNorm, head);
  }

  /** Gives a layer's tensor as it was trained. */
  setTensor(layer: number, tensor: LayerTensor, values: Float32Array): void {
    this.#call("accllmQuantSetTensor", layer, layerTensors.indexOf(tensor), values);
  }

  /** Gives the bias of a layer's matrix, which quantizing leaves as it is. */
  setBias(layer: number, matrix: LayerMatrix, values: Float32Array): void {
    this.#call("accllmQuantSetBias", layer, layerMatrices.indexOf(matrix), values);
  }

  /** @param sequences of equal length. @param states [tokens][hiddenSize], their embeddings. */
  setSequences(sequences: readonly (readonly number[])[], states: Float32Array): void {
    const ids = Int32Array.from(sequences.flat());
    this.#call("accllmQuantSetSequences", ids, sequences.length, sequences[0]!.length, states);
  }

  /** @param keep the mask of a 2:4 matrix that has one already, else null. */
  setFormat(
    layer: number,
    matrix: LayerMatrix,
    kind: GridKind,
    sparse: boolean,
    keep: Uint8Array | null,
  ): void {
    const index = layerMatrices.indexOf(matrix);
    this.#call("accllmQuantSetFormat", layer, index, nativeFormat(kind, sparse), keep);
  }

  /** @param frozen whether it is to stay as it is. */
  setLinear(layer: number, matrix: LayerMatrix, linear: GridMatrix, frozen: boolean): void {
    const { positions, scales, zeroHalves, keep } = linear;
    const index = layerMatrices.indexOf(matrix);
    this.#call("accllmQuantSetLinear", layer, index, positions, scales, zeroHalves, keep, Number(frozen));
  }

  /** Reads a matrix into arrays of the right size. */
  getLinear(layer: number, matrix: LayerMatrix, out: GridMatrix): void {
    const { positions, scales, zeroHalves, keep } = out;
    const index = layerMatrices.indexOf(matrix);
    this.#call("accllmQuantGetLinear", layer, index, positions, scales, zeroHalves, keep);
  }

  getLayerVector(layer: number, which: keyof typeof layerVectors, length: number): Float32Array {
    return this.#vector(layer, layerVectors[which], length);
  }

  setLayerVector(layer: number, which: keyof typeof layerVectors, values: Float32Array): void {
    this.#call("accllmQuantSetVector", layer, layerVectors[which], values);
  }

  getModelVector(which: keyof typeof modelVectors, length: number): Float32Array {
    return this.#vector(wholeModel, modelVectors[which], length);
  }

  /** Calibrates a layer's key means on the float stream. */
  center(layer: number): Promise<void> {
    return this.#run("accllmQuantCenter", layer);
  }

  /**
   * Quantizes the matrices of a layer that are not frozen: GPTQ, for 2:4 SparseGPT, then coordinate descent.
   * @param damping share of a Hessian's mean diagonal that is added to its diagonal.
   */
  quantizeLayer(layer: number, damping: number, sweeps: number): Promise<void> {
    return this.#run("accllmQuantLayer", layer, damping, sweeps);
  }

  /** Part of a layer's work that is done, 0..1: from {@link center} to {@link advance}. To be asked meanwhile. */
  get progress(): number {
    return this.#library.call("accllmQuantProgress", this.#handle);
  }

  /** Lets the call that is under way fail soon, where it is one of those of {@link progress}. */
  stop(): void {
    this.#library.call("accllmQuantStop", this.#handle);
  }

  /** Takes the float stream through a float layer. */
  target(layer: number): Promise<void> {
    return this.#run("accllmQuantTarget", layer);
  }

  /** Adds a variant of the model: float but for one matrix, whose format is set. */
  probe(layer: number, matrix: LayerMatrix, how: ProbeMethod): Promise<void> {
    const { calibrated, damping, sweeps } = how;
    const index = layerMatrices.indexOf(matrix);
    return this.#run("accllmQuantProbe", layer, index, Number(calibrated), damping, sweeps);
  }

  /** Takes the variants so far through a float layer. */
  advanceProbes(layer: number): Promise<void> {
    return this.#run("accllmQuantAdvanceProbes", layer);
  }

  /** Mean KL divergence of a variant from the float model, nats a token; after the last layer. */
  async probeLoss(variant: number): Promise<number> {
    const out = new Float64Array(1);
    await this.#run("accllmQuantProbeLoss", variant, out);
    return out[0]!;
  }

  /** The same of the model with its output matrix quantized. */
  async probeHead(
    kind: GridKind,
    sparse: boolean,
    { calibrated, damping, sweeps }: ProbeMethod,
  ): Promise<number> {
    const out = new Float64Array(1);
    const format = nativeFormat(kind, sparse);
    await this.#run("accllmQuantProbeHead", format, Number(calibrated), damping, sweeps, out);
    return out[0]!;
  }

  /** Takes the quantized stream through the quantized layer. */
  advance(layer: number): Promise<void> {
    return this.#run("accllmQuantAdvance", layer);
  }

  /** Frees a layer that is done with. */
  release(layer: number): void {
    this.#call("accllmQuantRelease", layer);
  }

  /** Writes a quantized layer, or the {@link wholeModel} in training, to a file. */
  store(layer: number, path: string): Promise<void> {
    return this.#run("accllmQuantStore", layer, path);
  }

  /** Reads back what {@link store} wrote, into a model in the same state. */
  load(layer: number, path: string): Promise<void> {
    return this.#run("accllmQuantLoad", layer, path);
  }

  /** Resets the optimizer of a layer or of the {@link wholeModel}. */
  prepare(layer: number): void {
    this.#call("accllmQuantPrepare", layer);
  }

  /** Remembers what training changes. */
  save(layer: number): void {
    this.#call("accllmQuantSave", layer);
  }

  /** Back to what was saved last. */
  restore(layer: number): void {
    this.#call("accllmQuantRestore", layer);
  }

  /** Loss on some of the sequences. */
  async loss(layer: number, sequences: Int32Array): Promise<number> {
    const out = new Float64Array(1);
    await this.#run("accllmQuantLoss", layer, sequences, sequences.length, out);
    return out[0]!;
  }

  /** One step of training; `step` counts from 1. @returns the loss before it. */
  async train(layer: number, sequences: Int32Array, step: number, rates: Rates): Promise<number> {
    const { position, scale, gain, embedding, head } = rates;
    const out = new Float64Array(1);
    const all = Float32Array.of(position, scale, gain, embedding, head);
    await this.#run("accllmQuantTrain", layer, sequences, sequences.length, step, all, out);
    return out[0]!;
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#library.call("accllmQuantClose", this.#handle);
  }

  #vector(layer: number, which: number, length: number): Float32Array {
    const out = new Float32Array(length);
    this.#call("accllmQuantGetVector", layer, which, out);
    return out;
  }

  #call<Name extends QuantFunctionName>(name: Name, ...values: AfterHandle<Name>): void {
    const all = [this.#handle, ...values] as unknown as Parameters<QuantFunctions[Name]>;
    this.#check(this.#library.call(name, ...all) as number);
  }

  async #run<Name extends QuantFunctionName>(name: Name, ...values: AfterHandle<Name>): Promise<void> {
    const all = [this.#handle, ...values] as unknown as Parameters<QuantFunctions[Name]>;
    this.#check((await this.#library.callAsync(name, ...all)) as number);
  }

  #check(result: number): void {
    if (result === 0) return;
    const reason = this.#library.call("accllmQuantError");
    throw new AccllmError("QUANT_FAILED", `The quantizer's library failed: ${reason}.`, {
      hint: "If it ran out of memory, calibrate on fewer sequences.",
    });
  }
}

function nativeFormat({ maxCode, zeroStep, maxZeroHalf }: GridKind, sparse: boolean): Int32Array {
  return Int32Array.of(maxCode, zeroStep, maxZeroHalf, Number(sparse));
}

type AfterHandle<Name extends QuantFunctionName> =
  Parameters<QuantFunctions[Name]> extends [Handle, ...infer Rest] ? Rest : never;
