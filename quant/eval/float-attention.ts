import type { ModelConfig } from "../io/config.ts";
import { dot } from "./linear.ts";
import { Rotary } from "./rotary.ts";

/**
 * Which earlier tokens a token sees, and at which positions.
 * - "full": all of them, at their true positions; of a model with a sliding window the latest that it takes.
 * - "cache-index": the first `sinks` and the latest `window` tokens (the current one included), at their places
 *   among those: StreamingLLM as published. Keys are kept unrotated and rotated anew for every query.
 * - "lambda": the same tokens; keys are kept rotated to their true positions, and the query is rotated twice: to its
 *   true position t for the window, to min(t, sinks + window - 1) for the sinks. Equal to "cache-index" because
 *   RoPE's scores depend on the distance alone.
 */
export type AttentionMode =
  | { readonly kind: "full" }
  | { readonly kind: "cache-index" | "lambda"; readonly sinks: number; readonly window: number };

/** Room for this many positions at first; doubled when they are used up. */
const FIRST_CAPACITY = 64;

/** Attention of one layer, with its cache of keys and values. */
export class FloatAttention {
  readonly #config: ModelConfig;
  readonly #mode: AttentionMode;
  readonly #rotary: Rotary;
  /** [position, kvHeads * headDim] each. */
  #keys: Float32Array;
  #values: Float32Array;
  #length = 0;

  constructor(config: ModelConfig, mode: AttentionMode, rotary = new Rotary(config)) {
    this.#config = config;
    this.#mode = mode;
    this.#rotary = rotary;
    this.#keys = new Float32Array(FIRST_CAPACITY * config.kvHeads * config.headDim);
    this.#values = new Float32Array(this.#keys.length);
  }

  /** Forgets all tokens. */
  reset(): void {
    this.#length = 0;
  }

  /**
   * Appends one token and attends from it.
   * @param query [heads * headDim] before RoPE.
   * @param key [kvHeads * headDim] before RoPE.
   * @param value [kvHeads * headDim].
   * @returns [heads * headDim].
   */
  attend(query: Float32Array, key: Float32Array, value: Float32Array): Float32Array {
    const { heads, kvHeads, headDim } = this.#config;
    const position = this.#append(key, value);
    const visible = visibleTokens(this.#mode, position, this.#config.slidingWindow);
    const out = new Float32Array(heads * headDim);
    const scores = new Float64Array(visible.length);
    for (let head = 0; head < heads; head++) {
      const kvHead = Math.floor(head / (heads / kvHeads));
      this.#score(query, head, kvHead, position, visible, scores);
      softmax(scores);
      for (let d = 0; d < headDim; d++) {
        let sum = 0;
        for (let i = 0; i < visible.length; i++) {
          sum += scores[i]! * this.#values[(visible[i]! * kvHeads + kvHead) * headDim + d]!;
        }
        out[head * headDim + d] = sum;
      }
    }
    return out;
  }

  #append(key: Float32Array, value: Float32Array): number {
    const { kvHeads, headDim } = this.#config;
    const width = kvHeads * headDim;
    const position = this.#length++;
    if (this.#length * width > this.#keys.length) {
      this.#keys = doubled(this.#keys);
      this.#values = doubled(this.#values);
    }
    const start = position * width;
    this.#values.set(value, start);
    if (this.#mode.kind === "cache-index") {
      this.#keys.set(key, start);
    } else {
      for (let offset = 0; offset < width; offset += headDim) {
        this.#rotary.rotate(key, offset, position, this.#keys, start + offset);
      }
    }
    return position;
  }

  /** Scaled scores of one query head with every visible key. */
  #score(
    query: Float32Array,
    head: number,
    kvHead: number,
    position: number,
    visible: readonly number[],
    scores: Float64Array,
  ): void {
    const { kvHeads, headDim } = this.#config;
    const scale = 1 / Math.sqrt(headDim);
    const rotated = (to: number) => {
      const out = new Float32Array(headDim);
      this.#rotary.rotate(query, head * headDim, to, out, 0);
      return out;
    };
    const keyStart = (token: number) => (token * kvHeads + kvHead) * headDim;
    if (this.#mode.kind === "cache-index") {
      const q = rotated(visible.length - 1);
      const key = new Float32Array(headDim);
      for (const [index, token] of visible.entries()) {
        this.#rotary.rotate(this.#keys, keyStart(token), index, key, 0);
        scores[index] = dot(q, 0, key, 0, headDim) * scale;
      }
      return;
    }
    const near = rotated(position);
    const sinks = this.#mode.kind === "lambda" ? this.#mode.sinks : 0;
    const far =
      this.#mode.kind === "lambda" ? rotated(Math.min(position, sinks + this.#mode.window - 1)) : near;
    for (const [index, token] of visible.entries()) {
      const q = token < sinks ? far : near;
      scores[index] = dot(q, 0, this.#keys, keyStart(token), headDim) * scale;
    }
  }
}

/** Tokens that the token at `position` sees, in order, itself last. */
function visibleTokens(mode: AttentionMode, position: number, slidingWindow: number | null): number[] {
  const all = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => from + i);
  if (mode.kind === "full")
    return all(Math.max(0, position + 1 - (slidingWindow ?? position + 1)), position + 1);
  if (position < mode.sinks + mode.window) return all(0, position + 1);
  return [...all(0, mode.sinks), ...all(position - mode.window + 1, position + 1)];
}

function softmax(scores: Float64Array): void {
  const highest = scores.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (let i = 0; i < scores.length; i++) {
    scores[i] = Math.exp(scores[i]! - highest);
    sum += scores[i]!;
  }
  for (let i = 0; i < scores.length; i++) scores[i] = scores[i]! / sum;
}

function doubled(array: Float32Array): Float32Array {
  const larger = new Float32Array(2 * array.length);
  larger.set(array);
  return larger;
}
