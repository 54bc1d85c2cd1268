/** What a detokenizer needs of a tokenizer. */
export interface TokenBytes {
  /** Bytes of UTF-8 that a token stands for; none for special and unknown ones. */
  tokenBytes(id: number): Uint8Array;
  /** Spaces that a text loses at its very beginning, at most. */
  readonly leadingSpaces: number;
}

const SPACE = 0x20;

/**
 * Turns a stream of token ids into text that is emitted in whole characters: the bytes of a character that is
 * spread over tokens are held back until it is complete. All that `push` and `flush` return, one after the
 * other, is the text of all ids. Bytes that are no UTF-8 become U+FFFD.
 */
export class Detokenizer {
  readonly #tokens: TokenBytes;
  readonly #utf8 = new TextDecoder("utf-8", { ignoreBOM: true });
  /** Leading spaces that may still be taken away. */
  #strip: number;

  /**
   * @param tokens the tokenizer.
   * @param prompt ids that the stream continues: their text is not emitted, but counts as its beginning.
   */
  constructor(tokens: TokenBytes, prompt: readonly number[] = []) {
    this.#tokens = tokens;
    this.#strip = tokens.leadingSpaces;
    for (const id of prompt) this.push(id);
  }

  /** The characters that token `id` completes; may be empty. */
  push(id: number): string {
    let bytes = this.#tokens.tokenBytes(id);
    while (this.#strip > 0 && bytes.length > 0) {
      this.#strip = bytes[0] === SPACE ? this.#strip - 1 : 0;
      if (bytes[0] !== SPACE) break;
      bytes = bytes.subarray(1);
    }
    return this.#utf8.decode(bytes, { stream: true });
  }

  /** The end of the stream: an unfinished character comes out as U+FFFD. Ready for a new text after it. */
  flush(): string {
    this.#strip = this.#tokens.leadingSpaces;
    return this.#utf8.decode();
  }
}
