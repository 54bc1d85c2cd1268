/** Pieces that are put together at a time. */
const PIECES = 64;

/**
 * A text that grows piece by piece, in about as much memory as its characters need. A string that is added to stays a
 * tree of all its pieces until somebody reads it: with an object for every token, ten times its characters.
 */
export class LongText {
  readonly #parts: string[] = [];
  #pieces: string[] = [];

  add(piece: string): void {
    if (piece === "") return;
    this.#pieces.push(piece);
    if (this.#pieces.length === PIECES) this.#close();
  }

  /** The whole text so far. */
  toString(): string {
    return this.#parts.join("") + this.#pieces.join("");
  }

  #close(): void {
    this.#parts.push(this.#pieces.join(""));
    this.#pieces = [];
  }
}
