/** How many of the last tokens (prompt and completion) the repeat penalty looks at; llama.cpp's default. */
export const PENALTY_WINDOW = 64;

/** The distinct tokens of the last {@link PENALTY_WINDOW}, as a ring. */
export class RecentTokens {
  readonly #ring: number[] = [];
  readonly #counts = new Map<number, number>();
  #next = 0;

  add(id: number): void {
    const leaving = this.#ring[this.#next];
    if (leaving !== undefined) {
      const left = this.#counts.get(leaving)! - 1;
      if (left === 0) this.#counts.delete(leaving);
      else this.#counts.set(leaving, left);
    }
    this.#ring[this.#next] = id;
    this.#next = (this.#next + 1) % PENALTY_WINDOW;
    this.#counts.set(id, (this.#counts.get(id) ?? 0) + 1);
  }

  distinct(): Iterable<number> {
    return this.#counts.keys();
  }
}

/**
 * Repetition penalty (Keskar et al. 2019 as llama.cpp applies it): every token seen in the window, once however
 * often it occurred, has a positive logit divided and any other multiplied by `penalty`. 1 changes nothing.
 */
export function penalizeRepeats(scores: Float64Array, seen: Iterable<number>, penalty: number): void {
  if (penalty === 1) return;
  for (const id of seen) {
    const score = scores[id];
    if (score === undefined) continue;
    scores[id] = score > 0 ? score / penalty : score * penalty;
  }
}
