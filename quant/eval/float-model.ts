import { setImmediate } from "node:timers/promises";
import { InputError } from "../../host/errors.ts";
import type { Checkpoint } from "../io/checkpoint.ts";
import type { ModelConfig } from "../io/config.ts";
import { type AttentionMode, FloatAttention } from "./float-attention.ts";
import { type FloatLayer, type FloatWeights, loadFloatWeights } from "./float-weights.ts";
import { addTo, gateWithSilu, multiply, rmsNorm } from "./linear.ts";
import type { LogitsSource } from "./perplexity.ts";
import { Rotary } from "./rotary.ts";

export interface FloatModelOptions {
  /** Default: full attention. */
  readonly attention?: AttentionMode;
  readonly signal?: AbortSignal;
}

/**
 * Sees the keys of a layer as they come off the key matrix, before RoPE: [count, kvHeads * headDim]. The array is
 * only lent.
 */
export type KeyObserver = (layer: number, keys: Float32Array, count: number) => void;

/** Multiplications between two looks at the event loop: about a tenth of a second. */
const MULTIPLICATIONS_PER_TURN = 5e7;

/**
 * A Llama in float32, for measuring: what the quantized engines are compared with. One sequence at a time, with a
 * key/value cache. Stored numbers are float32, sums are in double.
 */
export class FloatModel implements LogitsSource {
  readonly config: ModelConfig;
  readonly #weights: FloatWeights;
  readonly #attention: readonly FloatAttention[];
  #keyObserver: KeyObserver | undefined;

  constructor(config: ModelConfig, weights: FloatWeights, attention: AttentionMode = { kind: "full" }) {
    const rotary = new Rotary(config);
    this.config = config;
    this.#weights = weights;
    this.#attention = weights.layers.map(() => new FloatAttention(config, attention, rotary));
  }

  /**
   * Reads a checkpoint's weights into memory (4 bytes a parameter); the checkpoint may be closed afterwards.
   * @throws InputError where a weight is NaN or infinite.
   */
  static async load(checkpoint: Checkpoint, options: FloatModelOptions = {}): Promise<FloatModel> {
    const weights = await loadFloatWeights(checkpoint, options.signal);
    return new FloatModel(checkpoint.config, weights, options.attention);
  }

  /** Shows all keys from now on to an observer, the latest one given. */
  observeKeys(observer: KeyObserver): void {
    this.#keyObserver = observer;
  }

  /** Forgets the sequence. */
  reset(): void {
    for (const layer of this.#attention) layer.reset();
  }

  /**
   * Appends tokens to the sequence.
   * @param ids at least one.
   * @returns logits [vocabSize] after the last of them.
   * @throws InputError for an id outside the vocabulary.
   */
  forward(ids: readonly number[]): Float32Array {
    const { hiddenSize } = this.config;
    const hidden = this.#hidden(ids);
    return multiply(this.#weights.lmHead, hidden.subarray((ids.length - 1) * hiddenSize), 1);
  }

  /** Appends tokens and yields the logits [vocabSize] after each of them; the event loop gets its turns. */
  async *logits(ids: readonly number[]): AsyncGenerator<Float32Array> {
    const { vocabSize } = this.config;
    const perTurn = Math.max(1, Math.floor(MULTIPLICATIONS_PER_TURN / this.#multiplicationsPerToken()));
    for (let start = 0; start < ids.length; start += perTurn) {
      const turn = ids.slice(start, start + perTurn);
      const all = multiply(this.#weights.lmHead, this.#hidden(turn), turn.length);
      for (let i = 0; i < turn.length; i++) yield all.subarray(i * vocabSize, (i + 1) * vocabSize);
      await setImmediate();
    }
  }

  /** Final hidden states [ids.length, hiddenSize], normalized for the output matrix. */
  #hidden(ids: readonly number[]): Float32Array {
    const { hiddenSize, rmsNormEps } = this.config;
    const x = new Float32Array(ids.length * hiddenSize);
    for (const [i, id] of ids.entries()) {
      if (!(id >= 0 && id < this.config.vocabSize)) {
        throw new InputError(
          "TOKEN_OUTSIDE_VOCABULARY",
          `Token id ${id} is outside the model's vocabulary of ${this.config.vocabSize}.`,
          { hint: "The tokenizer belongs to another model." },
        );
      }
      x.set(this.#weights.embedding.values.subarray(id * hiddenSize, (id + 1) * hiddenSize), i * hiddenSize);
    }
    for (const [index, layer] of this.#weights.layers.entries()) {
      this.#attend(x, layer, index, ids.length);
      this.#feedForward(x, layer, ids.length);
    }
    return rmsNorm(x, this.#weights.finalNorm, rmsNormEps, ids.length);
  }

  #attend(x: Float32Array, layer: FloatLayer, index: number, count: number): void {
    const attention = this.#attention[index]!;
    const normed = rmsNorm(x, layer.inputNorm, this.config.rmsNormEps, count);
    const query = multiply(layer.query, normed, count);
    const key = multiply(layer.key, normed, count);
    this.#keyObserver?.(index, key, count);
    const value = multiply(layer.value, normed, count);
    const mixed = new Float32Array(query.length);
    const row = (matrix: Float32Array, width: number, i: number) =>
      matrix.subarray(i * width, (i + 1) * width);
    for (let i = 0; i < count; i++) {
      const out = attention.attend(
        row(query, layer.query.rows, i),
        row(key, layer.key.rows, i),
        row(value, layer.value.rows, i),
      );
      mixed.set(out, i * out.length);
    }
    addTo(x, multiply(layer.output, mixed, count));
  }

  #feedForward(x: Float32Array, layer: FloatLayer, count: number): void {
    const normed = rmsNorm(x, layer.postNorm, this.config.rmsNormEps, count);
    const gate = multiply(layer.gate, normed, count);
    gateWithSilu(gate, multiply(layer.up, normed, count));
    addTo(x, multiply(layer.down, gate, count));
  }

  #multiplicationsPerToken(): number {
    const { hiddenSize, intermediateSize, layers, heads, kvHeads, headDim, vocabSize } = this.config;
    const perLayer = hiddenSize * headDim * 2 * (heads + kvHeads) + 3 * hiddenSize * intermediateSize;
    return layers * perLayer + vocabSize * hiddenSize;
  }
}
