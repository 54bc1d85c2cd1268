import type { Cancellation } from "../device/device.ts";
import { InterruptedError, UsageError } from "../errors.ts";
import { throwIfAborted } from "./upload.ts";

/** A caller's signal, or the session's own end. It is asked, for every token: listeners would have to come and go. */
class Stop implements Cancellation {
  readonly #signal: AbortSignal | undefined;
  #reason: unknown;

  constructor(signal: AbortSignal | undefined) {
    this.#signal = signal;
  }

  now(reason: Error): void {
    this.#reason = reason;
  }

  get aborted(): boolean {
    return this.#reason !== undefined || this.#signal?.aborted === true;
  }

  get reason(): unknown {
    return this.#reason ?? this.#signal?.reason;
  }
}

/** Lets one call at a time at a session's device. */
export class Exclusive {
  #running: { readonly done: Promise<unknown>; readonly stop: Stop } | undefined;
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs one call, which ends early when its caller's signal fires or the session is closed. @throws as checkIdle */
  async run<T>(signal: AbortSignal | undefined, work: (signal: Cancellation) => Promise<T>): Promise<T> {
    this.checkIdle();
    throwIfAborted(signal);
    const stop = new Stop(signal);
    const done = work(stop);
    this.#running = { done, stop };
    try {
      return await done;
    } finally {
      this.#running = undefined;
    }
  }

  /** @throws UsageError SESSION_CLOSED, SESSION_BUSY */
  checkIdle(): void {
    if (this.#closed) throw new UsageError("SESSION_CLOSED", "The session is closed.");
    if (this.#running !== undefined) {
      throw new UsageError(
        "SESSION_BUSY",
        "The session is running another call; a device holds one sequence.",
        { hint: "Wait for the first call, or open a second session." },
      );
    }
  }

  /** Ends a call that is under way; no other is let in. Safe twice. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running === undefined) return;
    this.#running.stop.now(new InterruptedError("The session was closed."));
    await this.#running.done.catch(() => undefined);
  }
}
