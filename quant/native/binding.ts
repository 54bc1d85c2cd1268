/**
 * The quantizer's math in C++ (libaccllm_quant.so): types and declarations, no logic. The only file of quant/ that
 * imports koffi.
 */
import koffi from "koffi";

/** An opaque handle. */
export type Handle = unknown;

/** Arguments of every function after the handle, and the C types of all. Those that return
 * int return 0, or -1 with a message. */
export interface QuantFunctions {
  accllmQuantOpen(shape: Int32Array, epsilon: number, frequencies: Float64Array, out: [Handle]): number;
  accllmQuantClose(model: Handle): void;
  accllmQuantError(): string;
  accllmQuantSetTables(
    model: Handle,
    embedding: Float32Array | null,
    finalNorm: Float32Array,
    head: Float32Array,
  ): number;
  accllmQuantSetTensor(model: Handle, layer: number, matrix: number, values: Float32Array): number;
  accllmQuantSetBias(model: Handle, layer: number, matrix: number, values: Float32Array): number;
  accllmQuantSetSequences(
    model: Handle,
    ids: Int32Array,
    count: number,
    length: number,
    states: Float32Array,
  ): number;
  accllmQuantSetFormat(
    model: Handle,
    layer: number,
    matrix: number,
    format: Int32Array,
    keep: Uint8Array | null,
  ): number;
  accllmQuantSetLinear(
    model: Handle,
    layer: number,
    matrix: number,
    positions: Float32Array,
    scales: Float32Array,
    zeroHalves: Uint16Array,
    keep: Uint8Array | null,
    frozen: number,
  ): number;
  accllmQuantGetLinear(
    model: Handle,
    layer: number,
    matrix: number,
    positions: Float32Array,
    scales: Float32Array,
    zeroHalves: Uint16Array,
    keep: Uint8Array | null,
  ): number;
  accllmQuantGetVector(model: Handle, layer: number, which: number, out: Float32Array): number;
  accllmQuantSetVector(model: Handle, layer: number, which: number, values: Float32Array): number;
  accllmQuantCenter(model: Handle, layer: number): number;
  accllmQuantTarget(model: Handle, layer: number): number;
  accllmQuantLayer(model: Handle, layer: number, damping: number, sweeps: number): number;
  accllmQuantProgress(model: Handle): number;
  accllmQuantStop(model: Handle): void;
  accllmQuantProbe(
    model: Handle,
    layer: number,
    matrix: number,
    calibrated: number,
    damping: number,
    sweeps: number,
  ): number;
  accllmQuantAdvanceProbes(model: Handle, layer: number): number;
  accllmQuantProbeLoss(model: Handle, variant: number, loss: Float64Array): number;
  accllmQuantProbeHead(
    model: Handle,
    format: Int32Array,
    calibrated: number,
    damping: number,
    sweeps: number,
    loss: Float64Array,
  ): number;
  accllmQuantAdvance(model: Handle, layer: number): number;
  accllmQuantRelease(model: Handle, layer: number): number;
  accllmQuantStore(model: Handle, layer: number, path: string): number;
  accllmQuantLoad(model: Handle, layer: number, path: string): number;
  accllmQuantPrepare(model: Handle, layer: number): number;
  accllmQuantSave(model: Handle, layer: number): number;
  accllmQuantRestore(model: Handle, layer: number): number;
  accllmQuantLoss(
    model: Handle,
    layer: number,
    sequences: Int32Array,
    count: number,
    loss: Float64Array,
  ): number;
  accllmQuantTrain(
    model: Handle,
    layer: number,
    sequences: Int32Array,
    count: number,
    step: number,
    rates: Float32Array,
    loss: Float64Array,
  ): number;
  accllmQuantMatrix(
    sizes: Int32Array,
    format: Int32Array,
    weights: Float32Array,
    inputs: Float32Array,
    lacking: Float32Array | null,
    damping: number,
    sweeps: number,
    mask: Uint8Array | null,
    threads: number,
    positions: Float32Array,
    scales: Float32Array,
    zeroHalves: Uint16Array,
    keep: Uint8Array | null,
  ): number;
}

export type QuantFunctionName = keyof QuantFunctions;

export const quantDeclarations: Readonly<
  Record<QuantFunctionName, readonly [result: string, parameters: readonly string[]]>
> = {
  accllmQuantOpen: ["int", ["const int32_t *", "double", "const double *", "_Out_ void **"]],
  accllmQuantClose: ["void", ["void *"]],
  accllmQuantError: ["const char *", []],
  accllmQuantSetTables: ["int", ["void *", "const float *", "const float *", "const float *"]],
  accllmQuantSetTensor: ["int", ["void *", "int", "int", "const float *"]],
  accllmQuantSetBias: ["int", ["void *", "int", "int", "const float *"]],
  accllmQuantSetSequences: ["int", ["void *", "const int32_t *", "int", "int", "const float *"]],
  accllmQuantSetFormat: ["int", ["void *", "int", "int", "const int32_t *", "const uint8_t *"]],
  accllmQuantSetLinear: [
    "int",
    ["void *", "int", "int", "const float *", "const float *", "const uint16_t *", "const uint8_t *", "int"],
  ],
  accllmQuantGetLinear: [
    "int",
    ["void *", "int", "int", "_Out_ float *", "_Out_ float *", "_Out_ uint16_t *", "_Out_ uint8_t *"],
  ],
  accllmQuantGetVector: ["int", ["void *", "int", "int", "_Out_ float *"]],
  accllmQuantSetVector: ["int", ["void *", "int", "int", "const float *"]],
  accllmQuantCenter: ["int", ["void *", "int"]],
  accllmQuantTarget: ["int", ["void *", "int"]],
  accllmQuantLayer: ["int", ["void *", "int", "double", "int"]],
  accllmQuantProgress: ["double", ["void *"]],
  accllmQuantStop: ["void", ["void *"]],
  accllmQuantProbe: ["int", ["void *", "int", "int", "int", "double", "int"]],
  accllmQuantAdvanceProbes: ["int", ["void *", "int"]],
  accllmQuantProbeLoss: ["int", ["void *", "int", "_Out_ double *"]],
  accllmQuantProbeHead: ["int", ["void *", "const int32_t *", "int", "double", "int", "_Out_ double *"]],
  accllmQuantAdvance: ["int", ["void *", "int"]],
  accllmQuantRelease: ["int", ["void *", "int"]],
  accllmQuantStore: ["int", ["void *", "int", "const char *"]],
  accllmQuantLoad: ["int", ["void *", "int", "const char *"]],
  accllmQuantPrepare: ["int", ["void *", "int"]],
  accllmQuantSave: ["int", ["void *", "int"]],
  accllmQuantRestore: ["int", ["void *", "int"]],
  accllmQuantLoss: ["int", ["void *", "int", "const int32_t *", "int", "_Out_ double *"]],
  accllmQuantTrain: [
    "int",
    ["void *", "int", "const int32_t *", "int", "int", "const float *", "_Out_ double *"],
  ],
  accllmQuantMatrix: [
    "int",
    [
      "const int32_t *",
      "const int32_t *",
      "const float *",
      "const float *",
      "const float *",
      "double",
      "int",
      "const uint8_t *",
      "int",
      "_Out_ float *",
      "_Out_ float *",
      "_Out_ uint16_t *",
      "_Out_ uint8_t *",
    ],
  ],
};

/** A bound function: called in place, or on a thread of its own with the result given to a callback. */
export interface BoundFunction {
  (...values: unknown[]): unknown;
  async(...values: unknown[]): void;
}

export interface NativeLibrary {
  func(name: string, result: string, parameters: readonly string[]): BoundFunction;
}

/** dlopen; throws when the library cannot be loaded. */
export const loadLibrary = koffi.load as (path: string) => NativeLibrary;
