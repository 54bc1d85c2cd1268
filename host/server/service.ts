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
import type { StoreEvent } from "../engine/sequences/sequence-store.ts";
import { DeviceError, InterruptedError } from "../errors.ts";
import { ApiError, ShuttingDown, shuttingDown } from "./api-error.ts";
import { Engine, type LoadServed, type ServedModel } from "./engine.ts";
import { Metrics } from "./metrics.ts";
import { DeviceQueue, type Turn } from "./queue.ts";
import type { ServiceState } from "./server-state.ts";

export type { ServedModel } from "./engine.ts";

export interface ServiceOptions {
  /** Puts the model on its device, or on several, one each. */
  readonly load: LoadServed | readonly LoadServed[];
  /** Requests that may wait for a device. */
  readonly queueLimit: number;
  readonly log: Logger;
  /** Milliseconds before each attempt to load again after a device was lost; the last one repeats. */
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

/** A model on devices that many requests share: each device works on one at a time. */
export class ModelService {
  readonly queue: DeviceQueue;
  readonly metrics: Metrics;
  readonly #log: Logger;
  readonly #engines: readonly Engine[];
  readonly #stop = new AbortController();
  #draining = false;

  constructor({ load, queueLimit, log, retryMs = RETRY_MS }: ServiceOptions) {
    const loads = [load].flat();
    this.#log = log;
    this.queue = new DeviceQueue(queueLimit, loads.length);
    this.#engines = loads.map(
      (one, place) =>
        new Engine({
          load: () => one((event) => this.#tellSession(event)),
          log,
          retryMs,
          stop: this.#stop.signal,
          onLost: () => {
            this.metrics.deviceError();
            this.queue.withdraw(place, new DeviceError("DEVICE_LOST", "The device was lost."));
          },
          onBack: () => this.queue.restore(place),
        }),
    );
    this.metrics = new Metrics({
      queueDepth: () => this.queue.depth,
      running: () => this.queue.active,
      devices: () => this.#models.length,
      kvOccupancy: () => this.kvOccupancy,
      sessionBytes: () => this.loaded?.session.storedBytes ?? 0,
      modelledSecondsPerToken: () => this.loaded?.session.modelledSecondsPerToken,
    });
  }

  /** "ready" while one device is. */
  get state(): ServiceState {
    if (this.#draining) return "draining";
    const states = this.#engines.map(({ state }) => state);
    if (states.includes("loading")) return "loading";
    return states.includes("ready") ? "ready" : "lost";
  }

  get engines(): readonly Pick<Engine, "state" | "model">[] {
    return this.#engines;
  }

  /** The model. @throws ApiError 503 while there is none, or the server shuts down */
  get model(): ServedModel {
    if (this.#draining) throw shuttingDown();
    const { state, loaded } = this;
    if (state === "ready" && loaded !== undefined) return loaded;
    const loading = state === "loading";
    throw new ApiError(
      503,
      loading ? "The model is being loaded." : "The device was lost and is being opened again.",
      { code: loading ? "loading" : "device_lost", headers: { "retry-after": "2" } },
    );
  }

  /** The model on the first device that has it, whatever the state; undefined while none has. */
  get loaded(): ServedModel | undefined {
    return this.#models[0];
  }

  get #models(): readonly ServedModel[] {
    return this.#engines.flatMap(({ model }) => model ?? []);
  }

  /** Filled part of all caches together, 0 to 1. */
  get kvOccupancy(): number {
    const parts = this.#models.map(({ session, plan }) =>
      Math.min(1, session.cachedTokens / (plan.sinks + plan.window)),
    );
    return parts.length === 0 ? 0 : parts.reduce((sum, part) => sum + part, 0) / parts.length;
  }

  /** Loads the model for the first time, on one device after the other. @throws what loading throws */
  async start(): Promise<void> {
    for (const engine of this.#engines) await engine.start();
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
    return await this.#atDevice(signal, job.ids, async (turn, both) => {
      const { session, takeDecodeCycles } = this.#modelAt(turn);
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
          onToken(value);
        }
      } finally {
        this.metrics.cycles(takeDecodeCycles());
      }
    });
  }

  /**
   * Embeds texts when the device is free; between two of them others may have it.
   * @returns float32 [hiddenSize] of length 1 for each text
   * @throws as generate
   */
  async embed({ texts, pooling }: EmbeddingJob, signal: AbortSignal): Promise<Float32Array[]> {
    return await this.#atDevice(signal, [], async (turn, both) => {
      const vectors: Float32Array[] = [];
      for (const ids of texts) {
        if (vectors.length > 0) await turn.giveWay();
        const { session, codec } = this.#modelAt(turn);
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
    await Promise.all(this.#engines.map((engine) => engine.close()));
  }

  /**
   * Runs a job when its turn has come.
   * @param ids what a device may have in its cache already: of several that are free the one is taken that has most
   */
  async #atDevice<T>(
    signal: AbortSignal,
    ids: readonly number[],
    job: (turn: Turn, signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    void this.model;
    const both = AbortSignal.any([signal, this.#stop.signal]);
    const prefer = (place: number) => this.#engines[place]!.model?.session.heldTokens(ids) ?? 0;
    let place: number | undefined;
    try {
      return await this.queue.run(
        both,
        async (turn) => {
          this.metrics.waited(turn.waitedSeconds);
          try {
            return await job(turn, both);
          } catch (error) {
            if (error instanceof DeviceError) this.#engines[turn.place]!.lose(error);
            if (error instanceof InterruptedError && both.aborted) throw both.reason;
            throw error;
          } finally {
            place = turn.place;
          }
        },
        { prefer },
      );
    } finally {
      if (place !== undefined) this.#keepIfIdle(place);
    }
  }

  /** @throws DeviceError where the model was lost since */
  #modelAt({ place }: Turn): ServedModel {
    return this.#engines[place]!.requireModel();
  }

  /** While nobody waits there is time to keep what the cache holds; the answer does not wait for it. */
  #keepIfIdle(place: number): void {
    const engine = this.#engines[place]!;
    const { model } = engine;
    if (model === undefined || !model.session.unsaved) return;
    this.queue.runIfFree(place, () => model.session.save()).catch((error: unknown) => engine.lose(error));
  }

  #tellSession({ type, tokens, bytes, error }: StoreEvent): void {
    this.metrics.session(type);
    if (error === undefined) this.#log.debug({ type, tokens, bytes }, "session");
    else this.#log.warn({ type, err: error }, "a session cannot be kept or restored");
  }
}
