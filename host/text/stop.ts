/** What a piece of text came to: what may be shown now, and whether a stop string ended the text. */
export interface StopStep {
  readonly text: string;
  readonly stopped: boolean;
}

/**
 * Cuts streamed text before the first stop string, wherever the pieces are divided. Text that may be the
 * beginning of a stop string is held back until it is decided. The first stop string is the one that is complete
 * first; of several complete at the same character the longest, so that the result does not depend on the pieces.
 */
export class StopFilter {
  readonly #stops: readonly string[];
  #held = "";
  #stopped = false;

  /** @param stops stop strings; empty ones are ignored. */
  constructor(stops: readonly string[]) {
    this.#stops = stops.filter((stop) => stop !== "");
  }

  /** Takes the next piece. After a stop it returns nothing more. */
  push(piece: string): StopStep {
    if (this.#stopped) return { text: "", stopped: true };
    const text = this.#held + piece;
    const cut = this.#firstStop(text);
    if (cut !== undefined) {
      this.#stopped = true;
      this.#held = "";
      return { text: text.slice(0, cut), stopped: true };
    }
    const shown = text.length - this.#undecided(text);
    this.#held = text.slice(shown);
    return { text: text.slice(0, shown), stopped: false };
  }

  /** The end of the text: what was held back turned out not to be a stop string. */
  flush(): string {
    const text = this.#held;
    this.#held = "";
    return text;
  }

  /** Where the first complete stop string begins. */
  #firstStop(text: string): number | undefined {
    let start: number | undefined;
    let end = Number.POSITIVE_INFINITY;
    for (const stop of this.#stops) {
      const at = text.indexOf(stop);
      if (at < 0) continue;
      const stopEnd = at + stop.length;
      if (stopEnd < end || (stopEnd === end && at < start!)) {
        start = at;
        end = stopEnd;
      }
    }
    return start;
  }

  /** Length of the longest end of `text` with which a stop string begins. */
  #undecided(text: string): number {
    let longest = 0;
    for (const stop of this.#stops) {
      for (let length = Math.min(stop.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(stop.slice(0, length))) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}
