/** A run that was started while its token's event is still with the caller. */
export class RunAhead {
  readonly logits: Promise<Float32Array>;
  /** Resolves when it has ended, well or not. */
  readonly settled: Promise<void>;
  #end: number | undefined;

  constructor(logits: Promise<Float32Array>) {
    this.logits = logits;
    const ended = () => {
      this.#end = performance.now();
    };
    this.settled = logits.then(ended, ended);
  }

  /** When it ended, by performance.now(); now where it goes on. */
  end(): number {
    return this.#end ?? performance.now();
  }
}
