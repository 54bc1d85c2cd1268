import { InterruptedError, UsageError } from "../errors.ts";
import { throwIfAborted } from "./upload.ts";

/** Lets one call at a time at a session's device. */
export class Exclusive {
  #running: { readonly done: Promise<unknown>; readonly stop: AbortController } | undefined;
  #closed = false;

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs one call, which ends early when its caller's signal fires or the session is closed. @throws as checkIdle */
  async run<T>(signal: AbortSignal | undefined, work: (signal: AbortSignal) => Promise<T>): Promise<T> {
    this.checkIdle();
    throwIfAborted(signal);
    const stop = new AbortController();
    const forward = () => stop.abort(signal?.reason);
    signal?.addEventListener("abort", forward, { once: true });
    const done = work(stop.signal);
    this.#running = { done, stop };
    try {
      return await done;
    } finally {
      this.#running = undefined;
      signal?.removeEventListener("abort", forward);
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
    this.#running.stop.abort(new InterruptedError("The session was closed."));
    await this.#running.done.catch(() => undefined);
  }
}
