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
  readonly start: (place: number) => void;
  readonly fail: (reason: unknown) => void;
}

/** A job's turn at a device. */
export interface Turn {
  readonly waitedSeconds: number;
  /** The device, 0 and up; another one, maybe, after {@link giveWay}. */
  readonly place: number;
  /**
   * Lets those who wait go first, for jobs of many parts; resolves when a device is this job's again.
   * @throws the signal's reason when it fires meanwhile; the reason of the last device's withdrawal
   */
  giveWay(): Promise<void>;
}

export interface JobOptions {
  /** Whether its duration says how long requests take; default true. */
  readonly counts?: boolean;
  /** How much a job would like each of the free devices; default they are alike, and the one that rests longest is taken. */
  readonly prefer?: (place: number) => number;
}

/** Weight of the latest job in the mean duration of jobs. */
const SMOOTHING = 0.2;
const MAX_RETRY_SECONDS = 120;

/**
 * Gives each of some devices to one job at a time, in the order in which the jobs came. At most `limit` jobs wait; a job
 * that is given up while it waits leaves at once.
 */
export class DeviceQueue {
  readonly limit: number;
  readonly #places: number;
  readonly #waiting: Waiting[] = [];
  /** What rests longest comes first. */
  readonly #free: number[];
  readonly #held = new Set<number>();
  readonly #withdrawn = new Set<number>();
  #meanSeconds = 1;
  #idle: (() => void)[] = [];

  /**
   * @param limit jobs that may wait besides those that run
   * @param places devices; default 1
   */
  constructor(limit: number, places = 1) {
    this.limit = limit;
    this.#places = places;
    this.#free = Array.from({ length: places }, (_, place) => place);
  }

  /** Jobs that wait. */
  get depth(): number {
    return this.#waiting.length;
  }

  /** Jobs that run. */
  get active(): number {
    return this.#held.size;
  }

  /** Whether any job runs. */
  get running(): boolean {
    return this.active > 0;
  }

  /** Whole seconds until a place is likely to be free, from the mean duration of the latest jobs; at least 1. */
  get retryAfterSeconds(): number {
    const devices = Math.max(1, this.#places - this.#withdrawn.size);
    const seconds = (this.#meanSeconds * (this.#waiting.length + 1)) / devices;
    return Math.min(MAX_RETRY_SECONDS, Math.max(1, Math.ceil(seconds)));
  }

  /**
   * Runs a job when its turn has come.
   * @throws QueueFull at once; the signal's reason when it fires before the job has begun; the reason of the last
   *   device's withdrawal; what the job throws
   */
  async run<T>(
    signal: AbortSignal,
    job: (turn: Turn) => Promise<T>,
    { counts = true, prefer = () => 0 }: JobOptions = {},
  ): Promise<T> {
    signal.throwIfAborted();
    const arrived = performance.now();
    let place = this.#take(prefer);
    if (place === undefined) {
      if (this.#waiting.length >= this.limit) throw new QueueFull(this.retryAfterSeconds);
      place = await this.#wait(signal);
    }
    const began = performance.now();
    let holds = true;
    const turn = {
      waitedSeconds: (began - arrived) / 1000,
      place,
      giveWay: async () => {
        if (this.#waiting.length === 0) return;
        // In line before the device is given away: the line does not get longer by it.
        const again = this.#wait(signal);
        holds = false;
        this.#release(turn.place);
        turn.place = await again;
        holds = true;
      },
    };
    try {
      return await job(turn);
    } finally {
      const seconds = (performance.now() - began) / 1000;
      if (counts) this.#meanSeconds += SMOOTHING * (seconds - this.#meanSeconds);
      if (holds) this.#release(turn.place);
    }
  }

  /** Runs a job on one device if that rests; it says nothing of how long requests take. @returns whether it did */
  async runIfFree(place: number, job: () => Promise<void>): Promise<boolean> {
    const index = this.#free.indexOf(place);
    if (index < 0) return false;
    this.#free.splice(index, 1);
    this.#held.add(place);
    try {
      await job();
    } finally {
      this.#release(place);
    }
    return true;
  }

  /** Gives a device to nobody until it is restored. @param reason thrown to all who wait where it was the last one */
  withdraw(place: number, reason: unknown): void {
    this.#withdrawn.add(place);
    const index = this.#free.indexOf(place);
    if (index >= 0) this.#free.splice(index, 1);
    if (this.#withdrawn.size < this.#places) return;
    for (const waiting of this.#waiting.splice(0)) waiting.fail(reason);
  }

  restore(place: number): void {
    if (!this.#withdrawn.delete(place) || this.#held.has(place)) return;
    this.#hand(place);
  }

  /** Resolves when nothing runs and nothing waits. */
  async idle(): Promise<void> {
    if (this.running) await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #take(prefer: (place: number) => number): number | undefined {
    if (this.#free.length === 0) return undefined;
    const wishes = this.#free.map(prefer);
    const [place] = this.#free.splice(wishes.indexOf(Math.max(...wishes)), 1);
    this.#held.add(place!);
    return place;
  }

  #wait(signal: AbortSignal): Promise<number> {
    return new Promise((resolve, reject) => {
      const leave = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal.reason);
      };
      const waiting: Waiting = {
        start: (place) => {
          signal.removeEventListener("abort", leave);
          resolve(place);
        },
        fail: (reason) => {
          signal.removeEventListener("abort", leave);
          reject(reason);
        },
      };
      this.#waiting.push(waiting);
      signal.addEventListener("abort", leave, { once: true });
    });
  }

  #release(place: number): void {
    this.#held.delete(place);
    if (!this.#withdrawn.has(place)) this.#hand(place);
    if (this.running) return;
    for (const resolve of this.#idle.splice(0)) resolve();
  }

  /** A device goes straight to the next in line, so that nobody who comes now gets in between. */
  #hand(place: number): void {
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#free.push(place);
      return;
    }
    this.#held.add(place);
    next.start(place);
  }
}
