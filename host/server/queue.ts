/** The queue is full: come back in `retryAfterSeconds`. */
export class QueueFull extends Error {
  readonly retryAfterSeconds: number;

  constructor(retryAfterSeconds: number) {
    super("The queue is full.");
    this.name = "QueueFull";
    this.retryAfterSeconds = retryAfterSeconds;
  }
}

interface Waiting {
  readonly start: () => void;
}

/** What a job is told when it starts. */
export interface Turn {
  readonly waitedSeconds: number;
}

/** Weight of the latest job in the mean duration of jobs. */
const SMOOTHING = 0.2;
const MAX_RETRY_SECONDS = 120;

/**
 * Gives one device to one job at a time, in the order in which they came. At most `limit` jobs wait; a job that is
 * given up while it waits leaves at once.
 */
export class DeviceQueue {
  readonly limit: number;
  readonly #waiting: Waiting[] = [];
  #running = false;
  #meanSeconds = 1;
  #idle: (() => void)[] = [];

  /** @param limit jobs that may wait besides the one that runs */
  constructor(limit: number) {
    this.limit = limit;
  }

  /** Jobs that wait. */
  get depth(): number {
    return this.#waiting.length;
  }

  get running(): boolean {
    return this.#running;
  }

  /** Whole seconds until a place is likely to be free, from the mean duration of the latest jobs; at least 1. */
  get retryAfterSeconds(): number {
    const seconds = this.#meanSeconds * (this.#waiting.length + 1);
    return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(seconds)));
  }

  /**
   * Runs a job when its turn has come.
   * @throws QueueFull at once; the signal's reason when it fires before the job has begun; what the job throws
   */
  async run<T>(signal: AbortSignal, job: (turn: Turn) => Promise<T>): Promise<T> {
    signal.throwIfAborted();
    const arrived = performance.now();
    if (this.#running) await this.#wait(signal);
    this.#running = true;
    const began = performance.now();
    try {
      return await job({ waitedSeconds: (began - arrived) / 1000 });
    } finally {
      const seconds = (performance.now() - began) / 1000;
      this.#meanSeconds += SMOOTHING * (seconds - this.#meanSeconds);
      this.#next();
    }
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #wait(signal: AbortSignal): Promise<void> {
    if (this.#waiting.length >= this.limit) throw new QueueFull(this.retryAfterSeconds);
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        start: () => {
          signal.removeEventListener("abort", leave);
          resolve();
        },
      };
      this.#waiting.push(waiting);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  /** The device goes straight to the next in line, so that nobody who comes now gets in between. */
  #next(): void {
    const next = this.#waiting.shift();
    if (next !== undefined) {
      next.start();
      return;
    }
    this.#running = false;
    for (const resolve of this.#idle.splice(0)) resolve();
  }
}
