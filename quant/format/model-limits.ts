import { limits } from "./limits.ts";
import type { ModelConfig } from "./model.ts";

/**
 * Whether the kernel takes a model of these dimensions; to be asked before anything is sized by them.
 * @returns what is wrong, as the end of a sentence about the model, or undefined.
 */
export function modelLimitProblem(model: ModelConfig): string | undefined {
  const { heads, kvHeads, headDim } = model;
  const bounds: [string, number, number][] = [
    ["hidden size", model.hiddenSize, limits.hidden],
    ["intermediate size", model.intermediateSize, limits.columns],
    ["head size", headDim, limits.headDim],
    ["heads times head size", heads * headDim, limits.headElements],
    ["key-value heads times head size", kvHeads * headDim, limits.headElements],
    ["vocabulary", model.vocabSize, limits.vocabulary],
    ["number of layers", model.layers, limits.layers],
  ];
  for (const [what, value, most] of bounds) {
    if (value > most) return `has a ${what} of ${value}; the kernel takes at most ${most}`;
  }
  if (model.hiddenSize % 4 !== 0) return `has a hidden size of ${model.hiddenSize}, not a multiple of 4`;
  if (headDim % 2 !== 0) return `has a head size of ${headDim}, which is odd`;
  if (heads % kvHeads !== 0) return `has ${heads} heads, not a multiple of its ${kvHeads} key-value heads`;
  return undefined;
}

/** As {@link modelLimitProblem}, for the sinks and the window of the attention. */
export function windowProblem(sinks: number, window: number): string | undefined {
  if (!Number.isInteger(sinks) || sinks < 0) return `${sinks} sinks; they are a whole number from 0 on`;
  if (!Number.isInteger(window) || window < 1) return `a window of ${window}; it is a whole number from 1 on`;
  if (sinks + window > limits.span) {
    return `${sinks} sinks and a window of ${window}; the kernel takes at most ${limits.span} together`;
  }
  return undefined;
}
