import type { Logger } from "pino";
import type { OpenModel } from "../engine/open-model.ts";
import type { StoreEvent } from "../engine/sequences/sequence-store.ts";
import { DeviceError } from "../errors.ts";
import type { ServiceState } from "./server-state.ts";

/** What the server needs of a model. */
export type ServedModel = Pick<
  OpenModel,
  "name" | "header" | "codec" | "tokenizer" | "template" | "plan" | "session" | "takeDecodeCycles" | "close"
>;

/**
 * Puts the model on one device.
 * @param onSession takes what happens in the folder of sessions, for log and metrics
 */
export type LoadServed = (onSession: (event: StoreEvent) => void) => Promise<ServedModel>;

export interface EngineOptions {
  readonly load: () => Promise<ServedModel>;
  readonly log: Logger;
  /** Milliseconds before each attempt to load again after the device was lost; the last one repeats. */
  readonly retryMs: readonly number[];
  /** Fires when the server shuts down. */
  readonly stop: AbortSignal;
  readonly onLost: () => void;
  readonly onBack: () => void;
}

/** The model on one device, opened anew when the device fails. */
export class Engine {
  readonly #options: EngineOptions;
  #model: ServedModel | undefined;
  #state: Exclude<ServiceState, "draining"> = "loading";
  #closing = false;
  #reloading: Promise<void> | undefined;

  constructor(options: EngineOptions) {
    this.#options = options;
  }

  get state(): Exclude<ServiceState, "draining"> {
    return this.#state;
  }

  /** Undefined while it is being loaded. */
  get model(): ServedModel | undefined {
    return this.#model;
  }

  /** @throws DeviceError where the device was lost */
  requireModel(): ServedModel {
    if (this.#model !== undefined) return this.#model;
    throw new DeviceError("DEVICE_LOST", "The device was lost.");
  }

  /** Loads the model for the first time. @throws what loading throws */
  async start(): Promise<void> {
    this.#model = await this.#options.load();
    this.#state = "ready";
  }

  /** Gives the failed device up and opens it anew until that succeeds or the server shuts down. */
  lose(error: unknown): void {
    const failed = this.#model;
    if (failed === undefined) return;
    const { log, onLost } = this.#options;
    log.error({ err: error, device: failed.session.deviceName }, "the device failed");
    this.#state = "lost";
    this.#model = undefined;
    onLost();
    this.#reloading ??= this.#reload(failed).finally(() => {
      this.#reloading = undefined;
    });
  }

  /** Tries no more, and frees the device. Nothing runs on it any more. */
  async close(): Promise<void> {
    this.#closing = true;
    await this.#reloading;
    await this.#model?.close();
    this.#model = undefined;
  }

  async #reload(failed: ServedModel): Promise<void> {
    await failed.close().catch(() => undefined);
    const { retryMs, load, log, onBack } = this.#options;
    for (let attempt = 0; !this.#given; attempt++) {
      await this.#pause(retryMs[Math.min(attempt, retryMs.length - 1)]!);
      if (this.#given) return;
      try {
        this.#model = await load();
        this.#state = "ready";
        log.info("the device is back");
        onBack();
        return;
      } catch (error) {
        log.error({ err: (error as Error).message }, "the device cannot be opened");
      }
    }
  }

  /** Whether the server shuts down. */
  get #given(): boolean {
    return this.#closing || this.#options.stop.aborted;
  }

  async #pause(ms: number): Promise<void> {
    const { stop } = this.#options;
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        stop.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      stop.addEventListener("abort", done);
    });
  }
}
