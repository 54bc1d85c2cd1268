import type { Session, TextCodec } from "../../../../host/engine/generate.ts";
import { InterruptedError } from "../../../../host/errors.ts";

export const EOS = 0;

/** Characters as tokens: the id of a character is its code, 0 ends the sequence. */
export const characterCodec: TextCodec = {
  vocabSize: 128,
  eosIds: [EOS],
  encode: (text) => [...text].map((character) => character.charCodeAt(0)),
  decoder: () => ({ push: (id) => (id === EOS ? "" : String.fromCharCode(id)), flush: () => "" }),
  tokenText: (id) => String.fromCharCode(id),
};

/** A session whose most likely next token follows a script, and that records what was asked of it. */
export class ScriptedSession implements Session {
  readonly deviceName = "fake";
  readonly engine = "script";
  readonly modelledSecondsPerToken: number | undefined;
  readonly maxPositions: number;
  readonly calls: string[] = [];
  readonly #script: readonly number[];
  readonly #stepMs: number;
  #given = 0;
  power: Session["power"];
  position = 0;
  busy = false;

  constructor(script: string, { maxPositions = 100, stepMs = 0, modelled = true } = {}) {
    this.#script = [...script].map((character) => character.charCodeAt(0)).concat(EOS);
    this.maxPositions = maxPositions;
    this.#stepMs = stepMs;
    this.modelledSecondsPerToken = modelled ? 0.002 : undefined;
  }

  async prefill(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    this.calls.push(`prefill ${ids.join(",")}`);
    return this.#run(ids.length, signal);
  }

  async decode(id: number, signal?: AbortSignal): Promise<Float32Array> {
    this.calls.push(`decode ${id}`);
    return this.#run(1, signal);
  }

  /** The hidden state of a token is [its id, its position]. */
  async hiddenStates(ids: readonly number[], from: number, signal?: AbortSignal): Promise<Float32Array[]> {
    this.calls.push(`hidden ${ids.join(",")} from ${from}`);
    await this.#run(ids.length, signal);
    return ids.slice(from).map((id, i) => Float32Array.of(id, from + i));
  }

  reset(): void {
    if (this.busy) throw new Error("reset beneath a step");
    this.calls.push("reset");
    this.position = 0;
    this.#given = 0;
  }

  async close(): Promise<void> {
    if (this.busy) throw new Error("closed beneath a step");
    this.calls.push("close");
  }

  async #run(tokens: number, signal?: AbortSignal): Promise<Float32Array> {
    this.busy = true;
    let abort = () => {};
    try {
      await new Promise<void>((resolve, reject) => {
        const timer = setTimeout(resolve, this.#stepMs);
        abort = () => {
          clearTimeout(timer);
          reject(new InterruptedError());
        };
        if (signal?.aborted) abort();
        signal?.addEventListener("abort", abort, { once: true });
      });
    } finally {
      signal?.removeEventListener("abort", abort);
      this.busy = false;
    }
    this.position += tokens;
    const logits = new Float32Array(characterCodec.vocabSize);
    logits[this.#script[Math.min(this.#given++, this.#script.length - 1)]!] = 10;
    return logits;
  }
}
