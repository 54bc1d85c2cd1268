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
  #running: Stop | undefined;
  #closed = false;
  /** Told when the call under way has ended, and the promise of it; absent before anybody waits. */
  #ended: { readonly promise: Promise<void>; readonly resolve: () => void } | undefined;

  get closed(): boolean {
    return this.#closed;
  }

  /** Runs one call between {@link begin} and {@link end}. @throws as begin */
  async run<T>(signal: AbortSignal | undefined, work: (signal: Cancellation) => Promise<T>): Promise<T> {
    const stop = this.begin(signal);
    try {
      return await work(stop);
    } finally {
      this.end();
    }
  }

  /**
   * Begins a call.
   * @returns what ends it early: its caller's signal, or the session's close
   * @throws as checkIdle, InterruptedError; nothing has begun then
   */
  begin(signal: AbortSignal | undefined): Cancellation {
    this.checkIdle();
    throwIfAborted(signal);
    this.#running = new Stop(signal);
    return this.#running;
  }

  /** The call that was begun is over. */
  end(): void {
    this.#running = undefined;
    this.#ended?.resolve();
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
    this.#running.now(new InterruptedError("The session was closed."));
    this.#ended ??= withResolver();
    await this.#ended.promise;
  }
}

function withResolver(): { promise: Promise<void>; resolve: () => void } {
  let resolve = () => {};
  const promise = new Promise<void>((settle) => {
    resolve = settle;
  });
  return { promise, resolve };
}
