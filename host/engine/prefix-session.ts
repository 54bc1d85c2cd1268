import { DeviceError, UsageError } from "../errors.ts";
import { mostTokensUnderWay } from "./block-runner.ts";
import type { Session } from "./generate.ts";
import { type CacheShape, reusableTokens } from "./sequences/prefix.ts";
import type { StoredSequence } from "./sequences/sequence-file.ts";
import { LEAST_STORED_TOKENS, type SequenceStore } from "./sequences/sequence-store.ts";

/** A session whose position can be set, the cache taken as it is, and whose cache can be copied. */
export interface RewindableSession extends Session {
  startAt(position: number): void;
  readCache(tokens: number): Uint8Array;
  writeCache(tokens: number, bytes: Uint8Array): void;
}

export interface PrefixOptions extends CacheShape {
  /** Runs prompts longer than sinks and window in parts, so that their middle falls out; else they are refused. */
  readonly longPrompts?: boolean | undefined;
  /** Where sequences are kept when the device turns to another one. */
  readonly store?: SequenceStore | undefined;
}

/**
 * A session that keeps its cache between texts: a prompt that begins like what was run last only runs what is new. With
 * a store that holds for all sequences that it keeps, also those of a program that has ended. Logits do not depend on
 * what is reused, because keys and values are written once and never change.
 */
export class PrefixSession implements Session {
  readonly #inner: RewindableSession;
  readonly #options: PrefixOptions;
  /** Tokens whose keys and values the cache holds, by position. */
  #ids: number[] = [];
  /** One past the highest position that may have been written since the cache was last given up. */
  #written = 0;
  #reused = 0;
  /** Whether the store has what the cache holds. */
  #stored = true;

  constructor(inner: RewindableSession, options: PrefixOptions) {
    this.#inner = inner;
    this.#options = options;
  }

  get position(): number {
    return this.#inner.position;
  }

  get maxPositions(): number {
    return this.#inner.maxPositions;
  }

  get deviceName(): string {
    return this.#inner.deviceName;
  }

  get engine(): string {
    return this.#inner.engine;
  }

  get modelledSecondsPerToken(): number | undefined {
    return this.#inner.modelledSecondsPerToken;
  }

  /** Tokens of a prompt that the cache holds. */
  heldTokens(ids: readonly number[]): number {
    return this.#reusable(ids, ids.length - 1);
  }

  get power(): Session["power"] {
    return this.#inner.power;
  }

  /** Length of the sequence whose keys and values the cache holds, as far as the window keeps them. */
  get cachedTokens(): number {
    return this.#ids.length;
  }

  /** Tokens of the last prompt that did not have to be run. */
  get reusedTokens(): number {
    return this.#reused;
  }

  /** Most tokens of a prompt. */
  get promptLimit(): number {
    const { sinks, window, longPrompts } = this.#options;
    return longPrompts ? this.maxPositions : sinks + window;
  }

  async prefill(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    let logits: Float32Array = new Float32Array();
    for (const part of await this.#partsToRun(ids, ids.length - 1)) {
      logits = await this.#run(part.ids, () => this.#inner.prefill(part.ids, signal));
    }
    return logits;
  }

  async hiddenStates(ids: readonly number[], from: number, signal?: AbortSignal): Promise<Float32Array[]> {
    const states: Float32Array[] = [];
    for (const part of await this.#partsToRun(ids, Math.min(from, ids.length - 1))) {
      const first = Math.max(0, from - part.start);
      states.push(...(await this.#run(part.ids, () => this.#inner.hiddenStates(part.ids, first, signal))));
    }
    return states;
  }

  decode(id: number, signal?: AbortSignal): Promise<Float32Array> {
    return this.#run([id], () => this.#inner.decode(id, signal));
  }

  /** The next call is a prefill; what the cache holds stays. */
  reset(): void {
    this.#inner.startAt(0);
  }

  /** Keeps what the cache holds, where that can still be read, and closes the device. */
  async close(): Promise<void> {
    await this.save().catch(() => undefined);
    await this.settle();
    await this.#inner.close();
  }

  /** Whether the cache holds what is worth keeping in the store and is not there yet. */
  get unsaved(): boolean {
    return this.#options.store !== undefined && !this.#stored && this.#ids.length >= LEAST_STORED_TOKENS;
  }

  /** Keeps what the cache holds in the store, if there is one; the file is written while other work goes on. */
  async save(): Promise<void> {
    const { store } = this.#options;
    if (store === undefined || !this.unsaved) return;
    this.#stored = true;
    const cache = this.#inner.readCache(this.#ids.length);
    await store.save({ ids: Uint32Array.from(this.#ids), written: this.#written, cache });
  }

  /** Resolves when all that was saved is on disk. */
  async settle(): Promise<void> {
    await this.#options.store?.settle();
  }

  /** Bytes of the store's files. */
  get storedBytes(): number {
    return this.#options.store?.bytes ?? 0;
  }

  /**
   * Turns the cache to a prompt.
   * @param most tokens that may be taken from the cache
   * @returns what is left to run, in parts that sinks and window hold
   */
  async #partsToRun(
    ids: readonly number[],
    most: number,
  ): Promise<{ start: number; ids: readonly number[] }[]> {
    if (ids.length > this.promptLimit) {
      throw new UsageError(
        "PROMPT_TOO_LONG",
        `The prompt has ${ids.length} tokens; the cache holds ${this.promptLimit}.`,
        { hint: `Shorten the prompt by ${ids.length - this.promptLimit} tokens.` },
      );
    }
    const { sinks, window, store } = this.#options;
    this.#reused = this.#reusable(ids, most);
    if (store !== undefined) {
      const load = await store.find(ids, most, this.#reused + LEAST_STORED_TOKENS);
      const sequence = await load?.();
      const lost = this.#ids.length - this.#reused;
      if (sequence !== undefined || lost >= LEAST_STORED_TOKENS) await this.save();
      if (sequence !== undefined) {
        this.#restore(sequence);
        this.#reused = this.#reusable(ids, most);
      }
    }
    if (this.#reused === 0) this.#written = 0;
    this.#ids.length = this.#reused;
    this.#inner.startAt(this.#reused);
    const parts = [];
    for (let start = this.#reused; start < ids.length; start += sinks + window) {
      parts.push({ start, ids: ids.slice(start, start + sinks + window) });
    }
    return parts;
  }

  #restore({ ids, written, cache }: StoredSequence): void {
    // Until all of it is there, nothing is.
    this.#ids = [];
    this.#inner.writeCache(ids.length, cache);
    this.#ids = Array.from(ids);
    this.#written = written;
    this.#stored = true;
  }

  async #run<T>(ids: readonly number[], work: () => Promise<T>): Promise<T> {
    const before = this.#inner.position;
    this.#stored = false;
    try {
      const result = await work();
      this.#ids.push(...ids);
      this.#written = Math.max(this.#written, this.#inner.position);
      return result;
    } catch (error) {
      // After a fault of the device nothing in its memory is trusted; else blocks that ended are in the cache and
      // those under way may have written their slots.
      const run = error instanceof DeviceError ? -before : this.#inner.position - before;
      this.#ids.push(...ids.slice(0, Math.max(0, run)));
      if (run < 0) this.#ids.length = 0;
      const reached = Math.min(before + ids.length, this.#inner.position + mostTokensUnderWay);
      this.#written = Math.max(this.#written, reached);
      throw error;
    }
  }

  #reusable(ids: readonly number[], most: number): number {
    return reusableTokens({ ids: this.#ids, written: this.#written }, ids, most, this.#options);
  }
}
