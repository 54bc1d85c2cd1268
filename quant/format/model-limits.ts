import { limits } from "./limits.ts";
import type { ModelConfig } from "./model.ts";

/** Compile-time maxima of a kernel: those of the format, or of a card's configuration (kernel-config.ts). */
export type Limits = Readonly<Record<keyof typeof limits, number>>;

/**
 * Whether a kernel takes a model of these dimensions; to be asked before anything is sized by them.
 * @param most default: the format's limits, which the emulator takes
 * @returns what is wrong, as the end of a sentence about the model, or undefined.
 */
export function modelLimitProblem(model: ModelConfig, most: Limits = limits): string | undefined {
  const { heads, kvHeads, headDim } = model;
  const bounds: [string, number, number][] = [
    ["hidden size", model.hiddenSize, most.hidden],
    ["intermediate size", model.intermediateSize, most.columns],
    ["head size", headDim, most.headDim],
    ["heads times head size", heads * headDim, most.headElements],
    ["key-value heads times head size", kvHeads * headDim, most.headElements],
    ["vocabulary", model.vocabSize, most.vocabulary],
    ["number of layers", model.layers, most.layers],
  ];
  for (const [what, value, bound] of bounds) {
    if (value > bound) return `has a ${what} of ${value}; the kernel takes at most ${bound}`;
  }
  if (model.hiddenSize % 4 !== 0) return `has a hidden size of ${model.hiddenSize}, not a multiple of 4`;
  if (headDim % most.headStep !== 0) {
    return `has a head size of ${headDim}; the kernel takes multiples of ${most.headStep}`;
  }
  if (heads % kvHeads !== 0) return `has ${heads} heads, not a multiple of its ${kvHeads} key-value heads`;
  return undefined;
}

/** As {@link modelLimitProblem}, for the sinks and the window of the attention. */
export function windowProblem(sinks: number, window: number, most: Limits = limits): string | undefined {
  if (!Number.isInteger(sinks) || sinks < 0) return `${sinks} sinks; they are a whole number from 0 on`;
  if (!Number.isInteger(window) || window < 1) return `a window of ${window}; it is a whole number from 1 on`;
  const together = Math.min(most.span, most.slots - (most.blockTokens - 1));
  if (sinks + window > together) {
    return `${sinks} sinks and a window of ${window}; the kernel takes at most ${together} together`;
  }
  return undefined;
}
