import { FloatModel } from "../eval/float-model.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import { readSequences } from "./calibration-text.ts";
import { writeSequences } from "./self-text.ts";

/** What the key means were calibrated on; "none" where keys are not centred. */
export type KeyMeanSource = "text" | "self" | "none";

/** Where the means are calibrated, and how far it is. */
export interface KeyMeanOptions {
  /** A text file; without one the model writes its own. */
  readonly text?: string | undefined;
  /** Called with the part of the work that is done, 0..1; may throw to stop. */
  readonly onProgress: (part: number) => void;
  readonly signal?: AbortSignal | undefined;
}

const selfSequences = { count: 4, length: 128, seed: 1 } as const;
const textSequences = { count: 8, length: 128 } as const;

/**
 * Calibrates the per-channel means of the keys before RoPE with the model in float32.
 * @returns one array [kvHeads * headDim] a layer.
 * @throws InputError for a bad text or checkpoint, InterruptedError.
 */
export async function calibrateKeyMeans(
  checkpoint: Checkpoint,
  options: KeyMeanOptions,
): Promise<Float32Array[]> {
  const { text, onProgress, signal } = options;
  const { count, length } = text === undefined ? selfSequences : textSequences;
  const given = text === undefined ? undefined : await readSequences(checkpoint, text, count, length);
  const model = await FloatModel.load(checkpoint, signal === undefined ? {} : { signal });
  const means = new KeyMeans(model);
  if (given === undefined) {
    let tokens = 0;
    const onToken = () => onProgress(++tokens / (count * length));
    await writeSequences(model, { ...selfSequences, onToken });
  } else {
    for (const [i, ids] of given.entries()) {
      model.reset();
      for await (const _ of model.logits(ids)) onProgress((i + 0.5) / given.length);
      onProgress((i + 1) / given.length);
    }
  }
  return means.values();
}

/** Adds up all keys that a model computes. */
class KeyMeans {
  readonly #sums: Float64Array[];
  readonly #counts: number[];

  constructor(model: FloatModel) {
    const { layers, kvHeads, headDim } = model.config;
    const width = kvHeads * headDim;
    this.#sums = Array.from({ length: layers }, () => new Float64Array(width));
    this.#counts = new Array(layers).fill(0);
    model.observeKeys((layer, keys, count) => {
      const sums = this.#sums[layer]!;
      for (let i = 0; i < count * width; i++) sums[i % width]! += keys[i]!;
      this.#counts[layer]! += count;
    });
  }

  values(): Float32Array[] {
    return this.#sums.map((sums, layer) => Float32Array.from(sums, (sum) => sum / this.#counts[layer]!));
  }
}
