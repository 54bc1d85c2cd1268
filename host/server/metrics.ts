import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { DoneEvent } from "../engine/generate.ts";
import type { DecodeCycles } from "../engine/run-totals.ts";

/** What the gauges read when somebody asks. */
export interface MetricSources {
  queueDepth(): number;
  running(): number;
  /** Devices that have the model. */
  devices(): number;
  /** Filled part of the KV cache, 0 to 1. */
  kvOccupancy(): number;
  /** Bytes of the sessions on disk. */
  sessionBytes(): number;
  /** Modelled seconds per decoded token; undefined before the first. */
  modelledSecondsPerToken(): number | undefined;
}

const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60];

/** Prometheus' metrics of one server. */
export class Metrics {
  readonly registry = new Registry();
  readonly #requests: Counter<"route" | "status">;
  readonly #tokens: Counter<"kind">;
  readonly #firstToken: Histogram;
  readonly #perToken: Histogram;
  readonly #waited: Histogram;
  readonly #deviceErrors: Counter;
  readonly #watts: Gauge<"device">;
  readonly #joules: Counter<"device">;
  readonly #tokensPerJoule: Gauge<"device">;
  readonly #sessions: Counter<"event">;
  readonly #cycles: Counter<"source" | "operation">;

  constructor(sources: MetricSources) {
    const registers = [this.registry];
    collectDefaultMetrics({ register: this.registry });
    this.#requests = new Counter({
      name: "accllm_requests_total",
      help: "Answered requests by route and HTTP status (499: the client left first).",
      labelNames: ["route", "status"],
      registers,
    });
    this.#tokens = new Counter({
      name: "accllm_tokens_total",
      help: "Tokens: prompt (all), reused (prompt tokens found in the cache), completion.",
      labelNames: ["kind"],
      registers,
    });
    this.#firstToken = new Histogram({
      name: "accllm_time_to_first_token_seconds",
      help: "From the request's arrival to its first token, the queue included.",
      buckets: SECONDS,
      registers,
    });
    this.#perToken = new Histogram({
      name: "accllm_time_per_token_seconds",
      help: "Mean time per token after the first, one observation a text.",
      buckets: [0.0005, 0.001, 0.0025, ...SECONDS.slice(0, 9)],
      registers,
    });
    this.#waited = new Histogram({
      name: "accllm_queue_seconds",
      help: "Time that requests waited for the device.",
      buckets: SECONDS,
      registers,
    });
    this.#deviceErrors = new Counter({
      name: "accllm_device_errors_total",
      help: "Requests that a fault of the device ended.",
      registers,
    });
    const sensed = { labelNames: ["device" as const], registers };
    this.#watts = new Gauge({
      name: "accllm_power_watts",
      help: "Drawn by the card while it decoded the last text, by its own sensor; absent where none was read.",
      ...sensed,
    });
    this.#joules = new Counter({
      name: "accllm_decode_joules_total",
      help: "What decoding took of that; absent where no sensor was read.",
      ...sensed,
    });
    this.#tokensPerJoule = new Gauge({
      name: "accllm_tokens_per_joule",
      help: "Decoded tokens of the last text by what they took; absent where no sensor was read.",
      ...sensed,
    });
    this.#sessions = new Counter({
      name: "accllm_sessions_total",
      help: "Sessions by what became of them: saved, restored, evicted, refused (damaged), failed (could not be written).",
      labelNames: ["event"],
      registers,
    });
    this.#cycles = new Counter({
      name: "accllm_kernel_cycles_total",
      help: "Cycles of decoding by operation; source tells whether the kernel measured or the emulator modelled them.",
      labelNames: ["source", "operation"],
      registers,
    });
    const gauge = (name: string, help: string, read: () => number) =>
      new Gauge({
        name,
        help,
        registers,
        collect() {
          this.set(read());
        },
      });
    gauge("accllm_queue_depth", "Requests that wait for the device.", () => sources.queueDepth());
    gauge("accllm_running", "Requests that are worked on, one a device at most.", () => sources.running());
    gauge("accllm_devices", "Devices that take requests.", () => sources.devices());
    gauge("accllm_kv_occupancy_ratio", "Filled part of the KV cache.", () => sources.kvOccupancy());
    gauge("accllm_session_bytes", "Bytes of the sessions on disk.", () => sources.sessionBytes());
    gauge(
      "accllm_modelled_seconds_per_token",
      "Seconds per decoded token on the card by the timing model; 0 before the first token.",
      () => sources.modelledSecondsPerToken() ?? 0,
    );
  }

  request(route: string, status: number): void {
    this.#requests.inc({ route, status: String(status) });
  }

  firstToken(seconds: number): void {
    this.#firstToken.observe(seconds);
  }

  waited(seconds: number): void {
    this.#waited.observe(seconds);
  }

  done({ promptTokens, completionTokens, timings, device }: DoneEvent, reusedTokens: number): void {
    const { name, watts, tokensPerJoule } = device;
    if (watts !== undefined) {
      this.#watts.set({ device: name }, watts);
      this.#joules.inc({ device: name }, watts * timings.decodeSeconds);
    }
    if (tokensPerJoule !== undefined) this.#tokensPerJoule.set({ device: name }, tokensPerJoule);

    this.prompt(promptTokens, reusedTokens);
    this.#tokens.inc({ kind: "completion" }, completionTokens);
    if (completionTokens > 1) this.#perToken.observe(timings.decodeSeconds / (completionTokens - 1));
  }

  prompt(tokens: number, reusedTokens: number): void {
    this.#tokens.inc({ kind: "prompt" }, tokens);
    this.#tokens.inc({ kind: "reused" }, reusedTokens);
  }

  session(event: string): void {
    this.#sessions.inc({ event });
  }

  deviceError(): void {
    this.#deviceErrors.inc();
  }

  /** What the kernel counted since this was last told. */
  cycles({ source, cycles }: DecodeCycles): void {
    for (const [operation, count] of Object.entries(cycles)) {
      if (count > 0) this.#cycles.inc({ source, operation }, count);
    }
  }
}
