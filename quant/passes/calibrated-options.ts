import { createHash } from "node:crypto";
import type { WeightFormat } from "../format/weight-layout.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import type { ModelConfig } from "../io/config.ts";
import type { TrainingResult } from "./training.ts";

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
  /**
   * To be read in the order of the forward pass: without finetune a layer is quantized when it is read first, and the
   * one before it forgotten.
   */
  readonly checkpoint: Checkpoint;
  /** Of the layers that were read. */
  readonly keyMeans: readonly Float32Array[];
  readonly model: TrainingResult | undefined;
  /** Removes the state of training; to be called when the image is complete. */
  finish(): Promise<void>;
  /** Frees the memory. */
  close(): void;
}

/** Hash of everything that the results depend on; of the weights, some stand for all. */
export function fingerprint(
  config: ModelConfig,
  weights: readonly Float32Array[],
  options: CalibratedOptions,
): string {
  const { formats, sequences, hadamard, centered, reconstruct, finetune, seed } = options;
  const hash = createHash("sha256");
  hash.update(
    JSON.stringify({ config, formats: [...formats], hadamard, centered, reconstruct, finetune, seed }),
  );
  hash.update(Int32Array.from(sequences.flat()));
  for (const values of weights) hash.update(values);
  return hash.digest("hex");
}
