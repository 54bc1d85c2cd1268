import type { Logger } from "pino";
import type { GenerationOptions } from "../config/generation.ts";
import { embed, type Pooling } from "../engine/embed.ts";
import {
  type DoneEvent,
  generate,
  type TextCodec,
  type TokenConstraint,
  type TokenEvent,
} from "../engine/generate.ts";
import type { OpenModel } from "../engine/open-model.ts";
import type { StoreEvent } from "../engine/sequences/sequence-store.ts";
import { DeviceError, InterruptedError } from "../errors.ts";
import { ApiError, ShuttingDown, shuttingDown } from "./api-error.ts";
import { Metrics } from "./metrics.ts";
import { DeviceQueue, type Turn } from "./queue.ts";
import type { ServiceState } from "./server-state.ts";

/** What the server needs of a model. */
export type ServedModel = Pick<
  OpenModel,
  "name" | "header" | "codec" | "tokenizer" | "template" | "plan" | "session" | "status" | "close"
>;

export interface ServiceOptions {
  /** @param onSession takes what happens in the folder of sessions, for log and metrics */
  readonly load: (onSession: (event: StoreEvent) => void) => Promise<ServedModel>;
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

/** Texts to embed, one after the other. */
export interface EmbeddingJob {
  readonly texts: readonly (readonly number[])[];
  readonly pooling: Pooling;
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
      sessionBytes: () => this.#model?.session.storedBytes ?? 0,
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
    this.#model = await this.#load();
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
    const arrived = performance.now();
    return await this.#atDevice(signal, async ({ session, status }, both) => {
      const settings = { ...job.settings, signal: both, constraint: job.constraint };
      const events = generate(session, job.codec, job.ids, settings);
      for (let first = true; ; first = false) {
        const { value, done } = await events.next();
        if (done) {
          this.metrics.done(value, session.reusedTokens);
          if (value.reason === "cancelled") throw both.reason;
          return { ...value, reusedTokens: session.reusedTokens };
        }
        if (first) this.metrics.firstToken((performance.now() - arrived) / 1000);
        else this.metrics.cycles(status());
        onToken(value);
      }
    });
  }

  /**
   * Embeds texts when the device is free; between two of them others may have it.
   * @returns float32 [hiddenSize] of length 1 for each text
   * @throws as generate
   */
  async embed({ texts, pooling }: EmbeddingJob, signal: AbortSignal): Promise<Float32Array[]> {
    return await this.#atDevice(signal, async (model, both, turn) => {
      const { session, codec } = model;
      const vectors: Float32Array[] = [];
      for (const ids of texts) {
        if (vectors.length > 0) await turn.giveWay();
        this.#checkCurrent(model);
        vectors.push(await embed(session, codec, ids, { pooling, signal: both }));
        this.metrics.prompt(ids.length, session.reusedTokens);
      }
      return vectors;
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

  /** Runs a job when its turn has come. */
  async #atDevice<T>(
    signal: AbortSignal,
    job: (model: ServedModel, signal: AbortSignal, turn: Turn) => Promise<T>,
  ): Promise<T> {
    const model = this.model;
    const both = AbortSignal.any([signal, this.#stop.signal]);
    try {
      return await this.queue.run(both, async (turn) => {
        this.metrics.waited(turn.waitedSeconds);
        this.#checkCurrent(model);
        try {
          return await job(model, both, turn);
        } catch (error) {
          if (error instanceof DeviceError) this.#lose(model, error);
          if (error instanceof InterruptedError && both.aborted) throw both.reason;
          throw error;
        }
      });
    } finally {
      this.#keepIfIdle(model);
    }
  }

  /** While nobody waits there is time to keep what the cache holds; the answer does not wait for it. */
  #keepIfIdle(model: ServedModel): void {
    if (this.queue.running || this.#model !== model || !model.session.unsaved) return;
    this.queue
      .run(new AbortController().signal, () => model.session.save(), { counts: false })
      .catch((error: unknown) => this.#lose(model, error));
  }

  /** @throws DeviceError where the model was lost since */
  #checkCurrent(model: ServedModel): void {
    if (this.#model !== model) throw new DeviceError("DEVICE_LOST", "The device was lost.");
  }

  #load(): Promise<ServedModel> {
    return this.#options.load((event) => {
      this.metrics.session(event.type);
      const { type, tokens, bytes, error } = event;
      if (error === undefined) this.#options.log.debug({ type, tokens, bytes }, "session");
      else this.#options.log.warn({ type, err: error }, "a session cannot be kept or restored");
    });
  }

  /** Gives the failed device up and opens it anew until that succeeds or the server shuts down. */
  #lose(failed: ServedModel, error: unknown): void {
    if (this.#model !== failed) return;
    this.metrics.deviceError();
    this.#options.log.error({ err: error }, "the device failed");
    this.#state = "lost";
    this.#model = undefined;
    this.#reloading ??= this.#reload(failed).finally(() => {
      this.#reloading = undefined;
    });
  }

  async #reload(failed: ServedModel): Promise<void> {
    await failed.close().catch(() => undefined);
    const delays = this.#options.retryMs ?? RETRY_MS;
    for (let attempt = 0; !this.#draining; attempt++) {
      await this.#pause(delays[Math.min(attempt, delays.length - 1)]!);
      if (this.#draining) return;
      try {
        this.#model = await this.#load();
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
