import { InterruptedError } from "../../host/errors.ts";
import type { ImagePlan } from "../format/image-plan.ts";
import type { QuantizeHooks } from "./quantize-options.ts";

/** Counts what is done and tells it; stops the run when the signal fires. */
export class Steps {
  readonly #hooks: QuantizeHooks;
  readonly #phase: number;
  readonly #total: number;
  #phaseDone = 0;
  #weightsDone = 0;

  /** @param phase how long the work besides the tensors is, in multiples of all weights. */
  constructor({ header }: ImagePlan, phase: number, hooks: QuantizeHooks) {
    const embedding = header.model.vocabSize * header.model.hiddenSize;
    const weights = header.tensors.reduce((sum, { rows, columns }) => sum + rows * columns, embedding);
    this.#hooks = hooks;
    this.#phase = phase * weights;
    this.#total = weights + this.#phase;
    throwIfAborted(hooks.signal);
  }

  /** For work on a tensor: takes the weights that are done. */
  of(tensor: string): (weights: number) => void {
    return (weights) => {
      this.#weightsDone += weights;
      this.#tell(tensor);
    };
  }

  /** For the work besides the tensors: takes the part of it that is done, 0..1, and what is in work. */
  readonly phase = (part: number, what: string): void => {
    this.#phaseDone = Math.max(this.#phaseDone, part * this.#phase);
    this.#tell(what);
  };

  #tell(tensor: string): void {
    throwIfAborted(this.#hooks.signal);
    this.#hooks.progress?.({ done: this.#phaseDone + this.#weightsDone, total: this.#total, tensor });
  }
}

/** @throws InterruptedError when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError("Quantizing was interrupted; nothing was written.");
}
