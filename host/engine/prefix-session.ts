import { limits } from "../../quant/format/limits.ts";
import { DeviceError, UsageError } from "../errors.ts";
import type { Session } from "./generate.ts";

/** A session whose position can be set, the cache taken as it is. */
export interface RewindableSession extends Session {
  startAt(position: number): void;
}

export interface PrefixOptions {
  /** Positions that stay in the cache for good, and the latest ones that a token attends to. */
  readonly sinks: number;
  readonly window: number;
  /** Slots behind the sinks; a position lies in slot (position - sinks) mod ring. */
  readonly ring: number;
  /** Runs prompts longer than sinks and window in parts, so that their middle falls out; else they are refused. */
  readonly longPrompts?: boolean | undefined;
}

/**
 * A session that keeps its cache between texts: a prompt that begins like what was run last only runs what is new.
 * Logits do not depend on what is reused, because keys and values are written once and never change.
 */
export class PrefixSession implements Session {
  readonly #inner: RewindableSession;
  readonly #options: PrefixOptions;
  /** Tokens whose keys and values the cache holds, by position. */
  #ids: number[] = [];
  /** One past the highest position that may have been written since the cache was last given up. */
  #written = 0;
  #reused = 0;

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
    if (ids.length > this.promptLimit) {
      throw new UsageError(
        "PROMPT_TOO_LONG",
        `The prompt has ${ids.length} tokens; the cache holds ${this.promptLimit}.`,
        { hint: `Shorten the prompt by ${ids.length - this.promptLimit} tokens.` },
      );
    }
    this.#reused = this.#reusable(ids);
    this.#ids.length = this.#reused;
    this.#inner.startAt(this.#reused);
    const { sinks, window } = this.#options;
    let logits: Float32Array = new Float32Array();
    for (let start = this.#reused; start < ids.length; start += sinks + window) {
      const part = ids.slice(start, start + sinks + window);
      logits = await this.#run(part, () => this.#inner.prefill(part, signal));
    }
    return logits;
  }

  async decode(id: number, signal?: AbortSignal): Promise<Float32Array> {
    return this.#run([id], () => this.#inner.decode(id, signal));
  }

  /** The next call is a prefill; what the cache holds stays. */
  reset(): void {
    this.#inner.startAt(0);
  }

  async close(): Promise<void> {
    await this.#inner.close();
  }

  async #run(ids: readonly number[], work: () => Promise<Float32Array>): Promise<Float32Array> {
    const before = this.#inner.position;
    try {
      const logits = await work();
      this.#ids.push(...ids);
      this.#written = Math.max(this.#written, this.#inner.position);
      return logits;
    } catch (error) {
      // After a fault of the device nothing in its memory is trusted; else blocks that ended are in the cache and
      // the one under way may have written its slots.
      const run = error instanceof DeviceError ? -before : this.#inner.position - before;
      this.#ids.push(...ids.slice(0, Math.max(0, run)));
      if (run < 0) this.#ids.length = 0;
      this.#written = Math.max(this.#written, this.#inner.position + limits.blockTokens);
      throw error;
    }
  }

  /** Length of the common beginning, if what the next token attends to has not been overwritten since. */
  #reusable(ids: readonly number[]): number {
    const { sinks, window, ring } = this.#options;
    let common = 0;
    // The last token is always run: its logits are wanted.
    while (common < ids.length - 1 && common < this.#ids.length && ids[common] === this.#ids[common])
      common++;
    const oldest = Math.max(sinks, common + 1 - window);
    if (oldest + ring >= this.#written) return common;
    this.#written = 0;
    return 0;
  }
}
