import { InterruptedError } from "../../host/errors.ts";
import type { ImagePlan } from "../format/image-plan.ts";
import type { QuantizeHooks } from "./quantize-options.ts";

/** Counts what is done and tells it; stops the run when the signal fires. */
export class Steps {
  readonly #hooks: QuantizeHooks;
  readonly #weights: number;
  readonly #phase: number;
  readonly #total: number;
  #done = 0;

  /** @param phase how long the phase before the tensors is, in multiples of all weights. */
  constructor({ header }: ImagePlan, phase: number, hooks: QuantizeHooks) {
    const embedding = header.model.vocabSize * header.model.hiddenSize;
    this.#hooks = hooks;
    this.#weights = header.tensors.reduce((sum, { rows, columns }) => sum + rows * columns, embedding);
    this.#phase = phase * this.#weights;
    this.#total = this.#weights + this.#phase;
    throwIfAborted(hooks.signal);
  }

  /** For work on a tensor: takes the weights that are done. */
  of(tensor: string): (weights: number) => void {
    return (weights) => this.#tell(this.#done + weights, tensor);
  }

  /** For the phase before the tensors: takes the part of it that is done, 0..1, and what is in work. */
  readonly phase = (part: number, what: string): void => {
    const done = Math.max(this.#done, part * this.#phase);
    this.#tell(done, what);
  };

  #tell(done: number, tensor: string): void {
    throwIfAborted(this.#hooks.signal);
    this.#done = done;
    this.#hooks.progress?.({ done, total: this.#total, tensor });
  }
}

/** @throws InterruptedError when the signal has fired. */
export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted) throw new InterruptedError("Quantizing was interrupted; nothing was written.");
}
