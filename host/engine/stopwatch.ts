/** Seconds in laps, without what somebody else took alone. */
export class Stopwatch {
  #since = performance.now();

  /** Leaves out the time from `start`, by performance.now(), until now. */
  skipFrom(start: number): void {
    this.#since += Math.max(0, performance.now() - start);
  }

  /** Seconds since the last lap; starts the next. */
  lap(): number {
    const now = performance.now();
    const seconds = (now - this.#since) / 1000;
    this.#since = now;
    return seconds;
  }
}
