import type { WeightFormat } from "../format/weight-layout.ts";
import type { FormatOverride } from "./formats.ts";
import type { KeyMeanSource } from "./key-means.ts";
import type { Method, RecipeName } from "./recipe.ts";
import type { TrainingResult } from "./training.ts";

export interface QuantizeOptions {
  /** Folder in Hugging Face form, or a llama2.c .bin file. */
  readonly checkpoint: string;
  /** Image to write; replaced when it exists. */
  readonly output: string;
  /** Format of the layers' matrices; "auto" (default) is w2s24 where all of them are 2:4 already, else w2. */
  readonly weights?: WeightFormat | "auto" | undefined;
  /** Weights along the input that share a scale; 64 is the only size that the kernel has. */
  readonly group?: number | undefined;
  readonly overrides?: readonly FormatOverride[] | undefined;
  /** Format of the output matrix, default w8. */
  readonly lmHead?: WeightFormat | undefined;
  /** Name of the platform, default u280. */
  readonly platform?: string | undefined;
  /** Rotate Q, K and V per head before they are stored, default true. */
  readonly hadamard?: boolean | undefined;
  /**
   * Subtract a calibrated mean from every key before it is stored, default true. Models of more than 256 MB in float32
   * are not calibrated; the report says so.
   */
  readonly centerKeys?: boolean | undefined;
  /** Text file to calibrate on; default: what the model writes itself. */
  readonly calibration?: string | undefined;
  /** How much is done for quality, default "fast"; what follows sets parts of it. See recipe.ts. */
  readonly recipe?: RecipeName | undefined;
  readonly method?: Method | undefined;
  /** Epochs of training layer by layer. */
  readonly reconstruct?: number | undefined;
  /** Epochs of training the whole model. */
  readonly finetune?: number | undefined;
  /** Threads of the native library and of rounding; default: as many as there are processors. Results do not depend on it. */
  readonly threads?: number | undefined;
  /** Go on with the training that a killed run with the same options left beside the output. */
  readonly resume?: boolean | undefined;
  /** Seed of the order of training and of text that the model writes, default 1. */
  readonly seed?: number | undefined;
  /** First positions that every token attends to: default of the image's sessions, 4 unless given. */
  readonly sinks?: number | undefined;
  /**
   * Latest positions that a token attends to, itself included; default 2044, or fewer where the model was trained on
   * fewer positions: distances it has never seen would spoil every text that outgrows them.
   */
  readonly window?: number | undefined;
  /** tokenizer.json or llama2.c tokenizer.bin; default: beside the weights. */
  readonly tokenizer?: string | undefined;
  /** Name and version of the program, for the image's header. */
  readonly generator?: string | undefined;
}

/** How far a run is, in weights; calibrating and training count as multiples of all weights. */
export interface QuantizeProgress {
  readonly done: number;
  readonly total: number;
  /** The tensor in work, or what else is. */
  readonly tensor: string;
}

export interface QuantizeHooks {
  readonly progress?: ((progress: QuantizeProgress) => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

export interface TensorReport {
  readonly name: string;
  readonly format: WeightFormat;
  readonly weights: number;
  /** Stored bits, scales, zero-points and padding included, per weight. */
  readonly bitsPerWeight: number;
  /** Root of squared error over squared weights. */
  readonly relativeError: number;
  /** Every weight is stored as it is in the checkpoint. */
  readonly exact: boolean;
  /** Rows that have a scale rounded to less than float16's eleven bits (scales that span more than 2^5). */
  readonly roundedRows: number;
}

export interface QuantizeReport {
  readonly image: string;
  /** Size of the file. */
  readonly bytes: number;
  /** Stored bits of all matrices, scales, zero-points and padding included, per weight. */
  readonly bitsPerWeight: number;
  readonly seconds: number;
  /** What "auto" came to. */
  readonly weights: WeightFormat;
  /** What the key means were calibrated on; "none" where keys are not centred. */
  readonly keyMeans: KeyMeanSource;
  /** How the weights were quantized, such as "gptq, reconstruct 1, finetune 6". */
  readonly method: string;
  /** Loss (mean KL divergence from the float model, nats a token) before and after finetune, on held-out sequences. */
  readonly finetune?: TrainingResult | undefined;
  readonly tensors: readonly TensorReport[];
}
