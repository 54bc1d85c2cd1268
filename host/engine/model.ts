import { InterruptedError, UsageError } from "../errors.ts";
import { type EmbedOptions, embed } from "./embed.ts";
import {
  type DoneEvent,
  type GenerateOptions,
  generate,
  type Session,
  type TextCodec,
  type TokenEvent,
} from "./generate.ts";

/** A loaded model image on an open device. */
export class Model<Info = unknown> {
  /** What the image says about itself. */
  readonly info: Info;
  readonly #session: Session;
  readonly #codec: TextCodec;
  readonly #closing = new AbortController();
  /** Ends what is running. */
  #running: (() => Promise<unknown>) | undefined;

  /** Takes over the session: `close` closes it. */
  constructor(session: Session, codec: TextCodec, info: Info) {
    this.#session = session;
    this.#codec = codec;
    this.info = info;
  }

  /**
   * Streams the continuation of a prompt; see `generate` for events, options and errors. One at a time: a device
   * holds one sequence. Leaving the loop early stops the generation.
   * @throws UsageError, on the first step, where another generation is running or the model is closed
   */
  async *generate(
    prompt: string | readonly number[],
    options: GenerateOptions = {},
  ): AsyncGenerator<TokenEvent, DoneEvent, undefined> {
    this.#checkFree();
    const events = generate(this.#session, this.#codec, prompt, {
      ...options,
      signal: this.#signalWith(options.signal),
    });
    const running: AsyncGenerator<TokenEvent, unknown> = events;
    this.#running = () => running.return(undefined);
    try {
      return yield* events;
    } finally {
      this.#running = undefined;
    }
  }

  /**
   * Embeds a text as the last token's hidden state after the final norm, or as the mean of all tokens'; see `embed` for
   * options and errors.
   * @returns float32 [hiddenSize], of length 1 unless `normalize` is false
   * @throws UsageError where the model is at work or closed
   */
  async embed(text: string | readonly number[], options: EmbedOptions = {}): Promise<Float32Array> {
    this.#checkFree();
    const signal = this.#signalWith(options.signal);
    const result = embed(this.#session, this.#codec, text, { ...options, signal });
    this.#running = () => result.catch(() => undefined);
    try {
      return await result;
    } finally {
      this.#running = undefined;
    }
  }

  /** Ends what is running and closes the device. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new InterruptedError("The model was closed."));
    // The generator ends first, because it resets the session on its way out.
    await this.#running?.();
    await this.#session.close();
  }

  /** @throws UsageError MODEL_CLOSED, MODEL_BUSY */
  #checkFree(): void {
    if (this.#closing.signal.aborted) throw new UsageError("MODEL_CLOSED", "The model is closed.");
    if (this.#running === undefined) return;
    throw new UsageError("MODEL_BUSY", "The model is working on another text; a device holds one sequence.", {
      hint: "Finish or leave the first loop, or load the model a second time.",
    });
  }

  #signalWith(signal: AbortSignal | undefined): AbortSignal {
    return AbortSignal.any([this.#closing.signal, ...(signal === undefined ? [] : [signal])]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
