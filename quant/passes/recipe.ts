import { UsageError } from "../../host/errors.ts";
import type { WeightFormat } from "../format/weight-layout.ts";

/** How weights are quantized: to nearest, or column by column with the error pushed on (2:4: sparsegpt). */
export const methods = ["rtn", "gptq", "sparsegpt"] as const;
export type Method = (typeof methods)[number];

export const recipeNames = ["fast", "good", "best"] as const;
export type RecipeName = (typeof recipeNames)[number];

/** What is done to a checkpoint. */
export interface Recipe {
  readonly method: Method;
  /** Epochs of training each layer on the float layer's outputs. */
  readonly reconstruct: number;
  /** Epochs of training the whole model on the float model's predictions. */
  readonly finetune: number;
  /** Calibration sequences, at most. */
  readonly sequences: number;
}

const recipes: Readonly<Record<RecipeName, Recipe>> = {
  fast: { method: "rtn", reconstruct: 0, finetune: 0, sequences: 0 },
  good: { method: "gptq", reconstruct: 0, finetune: 0, sequences: 128 },
  best: { method: "gptq", reconstruct: 1, finetune: 8, sequences: 1024 },
};

/** Tokens of a calibration sequence. */
export const sequenceLength = 256;

const trainedSequences = recipes.best.sequences;

/**
 * The recipe that options come to: the named one, with the parts that are given.
 * @throws UsageError where training is asked for on top of rounding to nearest.
 */
export function resolveRecipe(options: {
  readonly recipe?: RecipeName | undefined;
  readonly method?: Method | undefined;
  readonly reconstruct?: number | undefined;
  readonly finetune?: number | undefined;
}): Recipe {
  const base = recipes[options.recipe ?? "fast"];
  const reconstruct = options.reconstruct ?? base.reconstruct;
  const finetune = options.finetune ?? base.finetune;
  const trained = reconstruct + finetune > 0;
  const method = options.method ?? (trained && base.method === "rtn" ? "gptq" : base.method);
  if (method === "rtn" && (options.reconstruct ?? 0) + (options.finetune ?? 0) > 0) {
    throw new UsageError("BAD_METHOD", "Training starts from gptq or sparsegpt, not from rtn.", {
      hint: "Leave --method away, or --reconstruct and --finetune.",
    });
  }
  if (method === "rtn") return recipes.fast;
  return { method, reconstruct, finetune, sequences: trained ? trainedSequences : recipes.good.sequences };
}

/** For the image's header and the report; gptq with a mask to choose is sparsegpt. */
export function describeMethod({ method, reconstruct, finetune }: Recipe, weights: WeightFormat): string {
  const calibrated = weights === "w2s24" ? "sparsegpt" : "gptq";
  const parts = [method === "rtn" ? "round" : calibrated];
  if (reconstruct > 0) parts.push(`reconstruct ${reconstruct}`);
  if (finetune > 0) parts.push(`finetune ${finetune}`);
  return parts.join(", ");
}
