import type { Logger } from "pino";
import type { GenerationOptions } from "../config/generation.ts";
import {
  type DoneEvent,
  generate,
  type TextCodec,
  type TokenConstraint,
  type TokenEvent,
} from "../engine/generate.ts";
import type { OpenModel } from "../engine/open-model.ts";
import { DeviceError } from "../errors.ts";
import { ApiError, ShuttingDown, shuttingDown } from "./api-error.ts";
import { Metrics } from "./metrics.ts";
import { DeviceQueue } from "./queue.ts";
import type { ServiceState } from "./server-state.ts";

/** What the server needs of a model. */
export type ServedModel = Pick<
  OpenModel,
  "name" | "codec" | "tokenizer" | "template" | "plan" | "session" | "status" | "close"
>;

export interface ServiceOptions {
  readonly load: () => Promise<ServedModel>;
  /** Requests that may wait for the device. */
  readonly queueLimit: number;
  readonly log: Logger;
  /** Milliseconds before each attempt to load again after the device was lost; the last one repeats. */
  readonly retryMs?: readonly number[] | undefined;
}

/** One text to generate. */
export interface TextJob {
  readonly ids: readonly number[];
  readonly codec: TextCodec;
  readonly settings: GenerationOptions;
  readonly constraint?: TokenConstraint | undefined;
}

export interface TextResult extends DoneEvent {
  /** Prompt tokens found in the cache. */
  readonly reusedTokens: number;
}

const RETRY_MS = [500, 2_000, 5_000, 15_000];

/** A model on a device that many requests share, one at a time. */
export class ModelService {
  readonly queue: DeviceQueue;
  readonly metrics: Metrics;
  readonly #options: ServiceOptions;
  readonly #stop = new AbortController();
  #model: ServedModel | undefined;
  #state: Exclude<ServiceState, "draining"> = "loading";
  #draining = false;
  #reloading: Promise<void> | undefined;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.queue = new DeviceQueue(options.queueLimit);
    this.metrics = new Metrics({
      queueDepth: () => this.queue.depth,
      running: () => (this.queue.running ? 1 : 0),
      kvOccupancy: () => this.kvOccupancy,
      modelledSecondsPerToken: () => this.#model?.session.modelledSecondsPerToken,
    });
  }

  get state(): ServiceState {
    return this.#draining ? "draining" : this.#state;
  }

  /** The model. @throws ApiError 503 while there is none, or the server shuts down */
  get model(): ServedModel {
    if (this.#draining) throw shuttingDown();
    if (this.#state === "ready" && this.#model !== undefined) return this.#model;
    const loading = this.#state === "loading";
    throw new ApiError(
      503,
      loading ? "The model is being loaded." : "The device was lost and is being opened again.",
      { code: loading ? "loading" : "device_lost", headers: { "retry-after": "2" } },
    );
  }

  /** The model whatever the state; undefined before it is loaded. */
  get loaded(): ServedModel | undefined {
    return this.#model;
  }

  get kvOccupancy(): number {
    if (this.#model === undefined) return 0;
    const { session, plan } = this.#model;
    const capacity = plan.sinks + plan.window;
    return Math.min(session.cachedTokens, capacity) / capacity;
  }

  /** Loads the model for the first time. @throws what loading throws */
  async start(): Promise<void> {
    this.#model = await this.#options.load();
    this.#state = "ready";
  }

  /**
   * Generates one text when the device is free.
   * @param onToken called for every token, in order; it must not throw
   * @throws QueueFull, ApiError, the signal's reason, UsageError, DeviceError
   */
  async generate(
    job: TextJob,
    signal: AbortSignal,
    onToken: (event: TokenEvent) => void,
  ): Promise<TextResult> {
    const model = this.model;
    const arrived = performance.now();
    const both = AbortSignal.any([signal, this.#stop.signal]);
    return await this.queue.run(both, async ({ waitedSeconds }) => {
      this.metrics.waited(waitedSeconds);
      if (this.#model !== model) throw new DeviceError("DEVICE_LOST", "The device was lost.");
      const { session } = model;
      const settings = { ...job.settings, signal: both, constraint: job.constraint };
      const events = generate(session, job.codec, job.ids, settings);
      try {
        for (let first = true; ; first = false) {
          const { value, done } = await events.next();
          if (done) {
            this.metrics.done(value, session.reusedTokens);
            if (value.reason === "cancelled") throw both.reason;
            return { ...value, reusedTokens: session.reusedTokens };
          }
          if (first) this.metrics.firstToken((performance.now() - arrived) / 1000);
          else this.metrics.cycles(model.status());
          onToken(value);
        }
      } catch (error) {
        if (error instanceof DeviceError) this.#lose(error);
        throw error;
      }
    });
  }

  /**
   * Takes no new requests, lets those that came finish, and frees the device.
   * @param graceMs how long they may take; then they are given up
   */
  async drain(graceMs: number): Promise<void> {
    this.#draining = true;
    const timer = setTimeout(() => this.#stop.abort(new ShuttingDown()), graceMs);
    await this.queue.idle();
    clearTimeout(timer);
    if (!this.#stop.signal.aborted) this.#stop.abort(new ShuttingDown());
    await this.#reloading;
    await this.#model?.close();
    this.#model = undefined;
  }

  /** Gives the failed device up and opens it anew until that succeeds or the server shuts down. */
  #lose(error: DeviceError): void {
    this.metrics.deviceError();
    this.#options.log.error({ code: error.code, err: error.message }, "the device failed");
    this.#state = "lost";
    const failed = this.#model;
    this.#model = undefined;
    this.#reloading ??= this.#reload(failed).finally(() => {
      this.#reloading = undefined;
    });
  }

  async #reload(failed: ServedModel | undefined): Promise<void> {
    await failed?.close().catch(() => undefined);
    const delays = this.#options.retryMs ?? RETRY_MS;
    for (let attempt = 0; !this.#draining; attempt++) {
      await this.#pause(delays[Math.min(attempt, delays.length - 1)]!);
      if (this.#draining) return;
      try {
        this.#model = await this.#options.load();
        this.#state = "ready";
        this.#options.log.info("the device is back");
        return;
      } catch (error) {
        this.#options.log.error({ err: (error as Error).message }, "the device cannot be opened");
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#stop.signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, ms);
      this.#stop.signal.addEventListener("abort", done);
    });
  }
}
