import { once } from "node:events";
import { Worker } from "node:worker_threads";
import { AccllmError } from "../../host/errors.ts";
import { type RowStep, type RowStepResult, runRowStep } from "./row-step.ts";

/** Below this many weights threads cost more than they save. */
const leastWeights = 1 << 23;

/**
 * Threads that quantize rows. Every step is computed by itself, so results do not depend on how many there are. Runs
 * in place where one thread is wanted, for small models, and for sources that have not been compiled (only Node.js
 * that strips types could load them in a thread).
 */
export class RowPool {
  readonly #idle: Worker[] = [];
  readonly #workers: readonly Worker[];
  readonly #waiting: ((worker: Worker) => void)[] = [];

  /** @param weights of all that is to be quantized. */
  constructor(threads: number, weights: number) {
    const compiled = import.meta.url.endsWith(".js");
    const count = threads > 1 && compiled && weights >= leastWeights ? threads : 0;
    this.#workers = Array.from(
      { length: count },
      () => new Worker(new URL("./row-worker.js", import.meta.url)),
    );
    this.#idle.push(...this.#workers);
  }

  /** Steps that can be in work at a time. */
  get width(): number {
    return Math.max(1, this.#workers.length);
  }

  /** Shared memory where threads need it. */
  bytes(count: number): Uint8Array {
    return this.#workers.length > 0 ? new Uint8Array(new SharedArrayBuffer(count)) : new Uint8Array(count);
  }

  /** @throws AccllmError where a thread dies, as when memory runs out. */
  async run(step: RowStep): Promise<RowStepResult> {
    if (this.#workers.length === 0) return runRowStep(step);
    const worker = this.#idle.pop() ?? (await new Promise<Worker>((free) => this.#waiting.push(free)));
    worker.postMessage(step);
    let result: RowStepResult;
    try {
      [result] = (await once(worker, "message")) as [RowStepResult];
    } catch (cause) {
      throw new AccllmError(
        "QUANT_FAILED",
        `A thread of the quantizer failed: ${(cause as Error).message}.`,
        {
          hint: "With --threads 1 everything is done in one.",
          cause,
        },
      );
    }
    const next = this.#waiting.shift();
    if (next === undefined) this.#idle.push(worker);
    else next(worker);
    return result;
  }

  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.terminate()));
  }
}
