import { InterruptedError, UsageError } from "../errors.ts";
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
  #running: AsyncGenerator<TokenEvent, unknown> | undefined;

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
    if (this.#closing.signal.aborted) throw new UsageError("MODEL_CLOSED", "The model is closed.");
    if (this.#running !== undefined) {
      throw new UsageError(
        "MODEL_BUSY",
        "The model is generating another text; a device holds one sequence.",
        {
          hint: "Finish or leave the first loop, or load the model a second time.",
        },
      );
    }
    const signals = [this.#closing.signal, ...(options.signal === undefined ? [] : [options.signal])];
    const events = generate(this.#session, this.#codec, prompt, {
      ...options,
      signal: AbortSignal.any(signals),
    });
    this.#running = events;
    try {
      return yield* events;
    } finally {
      this.#running = undefined;
    }
  }

  /** Ends a running generation and closes the device. Safe to call twice. */
  async close(): Promise<void> {
    if (this.#closing.signal.aborted) return;
    this.#closing.abort(new InterruptedError("The model was closed."));
    // The generator ends first, because it resets the session on its way out.
    await this.#running?.return(undefined);
    await this.#session.close();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}
