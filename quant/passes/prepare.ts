import { availableParallelism } from "node:os";
import type { ImageHeader } from "../format/image-header.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import { calibrate } from "./calibrated.ts";
import { calibrationSequences } from "./calibration-text.ts";
import { floatBytes, maxFloatBytes } from "./float-size.ts";
import { calibrateKeyMeans, type KeyMeanSource } from "./key-means.ts";
import type { QuantizeOptions } from "./quantize-options.ts";
import type { QuantizationError } from "./quantize-rows.ts";
import { type Recipe, sequenceLength } from "./recipe.ts";
import type { Steps } from "./steps.ts";
import type { TrainingResult } from "./training.ts";

/** What is ready to be rounded and written. */
export interface Prepared {
  /** The checkpoint itself, or one with weights on the grid; to be read in the order of the forward pass. */
  readonly checkpoint: Checkpoint;
  /** [kvHeads * headDim] a layer, once its matrices were read; undefined where keys are not centred. */
  readonly keyMeans: readonly Float32Array[] | undefined;
  readonly source: KeyMeanSource;
  readonly training: TrainingResult | undefined;
  /** Removes what is not needed any more once the image is complete. */
  finish(): Promise<void>;
  /** Frees what is held, whatever happened. */
  close(): void;
}

const nothing = { finish: async () => {}, close: () => {} } as const;

/** What the key means will be calibrated on. */
export function keyMeanSource(
  checkpoint: Checkpoint,
  recipe: Recipe,
  { centerKeys, calibration }: QuantizeOptions,
): KeyMeanSource {
  if (centerKeys === false) return "none";
  if (recipe.method === "rtn" && floatBytes(checkpoint) > maxFloatBytes) return "none";
  return calibration === undefined ? "self" : "text";
}

/** How long preparing takes, roughly, in multiples of rounding all weights. */
export function preparationLength(checkpoint: Checkpoint, recipe: Recipe, options: QuantizeOptions): number {
  if (recipe.method === "rtn") return keyMeanSource(checkpoint, recipe, options) === "none" ? 0 : 1;
  return 20 + 100 * (recipe.reconstruct + recipe.finetune);
}

/**
 * Does what a recipe does before weights are rounded and written.
 * @throws UsageError where a text is needed, ToolchainError where the native library is missing, InputError,
 *   InterruptedError.
 */
export async function prepare(
  checkpoint: Checkpoint,
  header: ImageHeader,
  recipe: Recipe,
  options: QuantizeOptions,
  steps: Steps,
  signal: AbortSignal | undefined,
): Promise<Prepared> {
  const source = keyMeanSource(checkpoint, recipe, options);
  const { calibration: text } = options;
  if (recipe.method === "rtn") {
    if (source === "none")
      return { checkpoint, keyMeans: undefined, source, training: undefined, ...nothing };
    const onProgress = (part: number) => steps.phase(part, "calibrating key means");
    const keyMeans = await calibrateKeyMeans(checkpoint, { text, onProgress, signal });
    return { checkpoint, keyMeans, source, training: undefined, ...nothing };
  }
  const sequences = await calibrationSequences(checkpoint, text, {
    count: recipe.sequences,
    length: Math.min(sequenceLength, checkpoint.config.maxPositions),
    seed: options.seed ?? 1,
    onToken: () => steps.phase(0, "writing a text to calibrate on"),
    signal,
  });
  const calibrated = await calibrate(checkpoint, {
    formats: new Map(header.tensors.map(({ name, format }) => [name, format])),
    sequences,
    hadamard: header.kv.hadamard,
    centered: source !== "none",
    reconstruct: recipe.reconstruct,
    finetune: recipe.finetune,
    threads: options.threads ?? availableParallelism(),
    seed: options.seed ?? 1,
    onProgress: steps.phase,
    signal,
    output: options.output,
    resume: options.resume ?? false,
  });
  const keyMeans = source === "none" ? undefined : calibrated.keyMeans;
  return {
    checkpoint: calibrated.checkpoint,
    keyMeans,
    source,
    training: calibrated.model,
    finish: calibrated.finish,
    close: calibrated.close,
  };
}

/** Error of a trained matrix against the original one, in place of that of rounding what is on the grid already. */
export async function matrixError(
  original: Checkpoint,
  trained: Checkpoint,
  name: string,
  { roundedRows }: QuantizationError,
): Promise<QuantizationError> {
  const { rows, cols } = original.tensors.get(name)!;
  const step = Math.max(1, Math.floor(2 ** 18 / cols));
  let squaredError = 0;
  let energy = 0;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    const before = await original.readRows(name, row, count);
    const after = await trained.readRows(name, row, count);
    for (const [i, v] of before.entries()) {
      squaredError += (v - after[i]!) ** 2;
      energy += v * v;
    }
  }
  return { squaredError, energy, roundedRows };
}
