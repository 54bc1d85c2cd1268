import { UsageError } from "../errors.ts";
import { isJsonWhole, JSON_START, type JsonState, jsonStep } from "./json-grammar.ts";

/** What is known of a vocabulary: the bytes that each id stands for, none for special ones. */
export interface VocabularyBytes {
  readonly vocabSize: number;
  tokenBytes(id: number): Uint8Array;
}

/** How many states' allowed tokens are kept; a model comes back to few of them. */
const KEPT_STATES = 64;

/**
 * Which tokens keep a text the beginning of a JSON object. One for a vocabulary; texts have a JsonText each.
 */
export class JsonVocabulary {
  readonly #tokens: readonly Uint8Array[];
  readonly #allowed = new Map<JsonState, Uint8Array>();

  constructor(vocabulary: VocabularyBytes) {
    this.#tokens = Array.from({ length: vocabulary.vocabSize }, (_, id) => vocabulary.tokenBytes(id));
  }

  begin(): JsonText {
    return new JsonText(this);
  }

  /** The state after a token; undefined where it cannot follow. A token without bytes never can. */
  after(state: JsonState, id: number): JsonState | undefined {
    const bytes = this.#tokens[id];
    if (bytes === undefined || bytes.length === 0) return undefined;
    let next: JsonState | undefined = state;
    for (const byte of bytes) {
      next = jsonStep(next, byte);
      if (next === undefined) return undefined;
    }
    return next;
  }

  /** 1 for every token that may follow. */
  allowed(state: JsonState): Uint8Array {
    let mask = this.#allowed.get(state);
    if (mask === undefined) {
      mask = Uint8Array.from(this.#tokens, (_, id) => (this.after(state, id) === undefined ? 0 : 1));
      if (this.#allowed.size >= KEPT_STATES) this.#allowed.delete(this.#allowed.keys().next().value!);
      this.#allowed.set(state, mask);
    }
    return mask;
  }
}

/** One text under the grammar. */
export class JsonText {
  readonly #vocabulary: JsonVocabulary;
  #state: JsonState = JSON_START;

  constructor(vocabulary: JsonVocabulary) {
    this.#vocabulary = vocabulary;
  }

  get complete(): boolean {
    return isJsonWhole(this.#state);
  }

  /**
   * Sets the logits of tokens that cannot come next to -Infinity.
   * @throws UsageError where the vocabulary has no token that can
   */
  restrict(logits: Float32Array): void {
    const mask = this.#vocabulary.allowed(this.#state);
    let any = false;
    for (let id = 0; id < logits.length; id++) {
      if (mask[id] === 1) any = true;
      else logits[id] = Number.NEGATIVE_INFINITY;
    }
    if (!any) {
      throw new UsageError("JSON_IMPOSSIBLE", "The model's vocabulary cannot write this JSON any further.");
    }
  }

  /** @param id a token that `restrict` has left */
  accept(id: number): void {
    const next = this.#vocabulary.after(this.#state, id);
    if (next === undefined) throw new RangeError(`token ${id} cannot follow`);
    this.#state = next;
  }
}
