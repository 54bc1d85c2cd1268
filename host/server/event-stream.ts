import { ReaderTooSlow } from "./api-error.ts";

const utf8 = new TextEncoder();

/**
 * Server-sent events that somebody reads at their own pace. The device does not wait for a reader: what is not read
 * yet is kept up to a limit, and who is further behind is given up.
 */
export class EventStream {
  readonly readable: ReadableStream<Uint8Array>;
  readonly #limit: number;
  readonly #giveUp: (reason: Error) => void;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #open = true;

  /**
   * @param limit unread bytes that are kept
   * @param giveUp called where the reader is too slow: the connection is to be cut, as the answer is not whole
   */
  constructor(limit: number, giveUp: (reason: Error) => void) {
    this.#limit = limit;
    this.#giveUp = giveUp;
    this.readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        cancel: () => {
          this.#open = false;
        },
      },
      new ByteLengthQueuingStrategy({ highWaterMark: limit }),
    );
  }

  /** One event whose data is a JSON value. */
  send(value: object): void {
    this.#write(`data: ${JSON.stringify(value)}\n\n`);
  }

  /** Ends the stream; `[DONE]` says that the answer is whole. */
  close({ whole }: { whole: boolean }): void {
    if (whole) this.#write("data: [DONE]\n\n");
    if (!this.#open) return;
    this.#open = false;
    this.#controller.close();
  }

  #write(text: string): void {
    if (!this.#open) return;
    const bytes = utf8.encode(text);
    if ((this.#controller.desiredSize ?? 0) < bytes.length) {
      this.#open = false;
      this.#controller.close();
      this.#giveUp(new ReaderTooSlow(`The reader is over ${this.#limit} bytes behind.`));
      return;
    }
    this.#controller.enqueue(bytes);
  }
}
