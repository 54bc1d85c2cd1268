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

/** A job's turn at the device. */
export interface Turn {
  readonly waitedSeconds: number;
  /**
   * Lets those who wait go first, for jobs of many parts; resolves when the device is this job's again.
   * @throws the signal's reason when it fires meanwhile
   */
  giveWay(): Promise<void>;
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
   * @param counts whether its duration says how long requests take; default true
   * @throws QueueFull at once; the signal's reason when it fires before the job has begun; what the job throws
   */
  async run<T>(
    signal: AbortSignal,
    job: (turn: Turn) => Promise<T>,
    { counts = true }: { counts?: boolean } = {},
  ): Promise<T> {
    signal.throwIfAborted();
    const arrived = performance.now();
    if (this.#running) {
      if (this.#waiting.length >= this.limit) throw new QueueFull(this.retryAfterSeconds);
      await this.#wait(signal);
    }
    this.#running = true;
    const began = performance.now();
    let holds = true;
    const giveWay = async () => {
      if (this.#waiting.length === 0) return;
      // In line before the device is given away: the line does not get longer by it.
      const again = this.#wait(signal);
      holds = false;
      this.#next();
      await again;
      holds = true;
    };
    try {
      return await job({ waitedSeconds: (began - arrived) / 1000, giveWay });
    } finally {
      const seconds = (performance.now() - began) / 1000;
      if (counts) this.#meanSeconds += SMOOTHING * (seconds - this.#meanSeconds);
      if (holds) this.#next();
    }
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.#running) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #wait(signal: AbortSignal): Promise<void> {
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
