import { beatBytes, limits } from "../../quant/format/limits.ts";
import { ropeFrequencies } from "../../quant/format/rope.ts";
import { ENGINES } from "../config/engine.ts";
import type { Device } from "../device/device.ts";
import { InterruptedError, UsageError } from "../errors.ts";
import { type BlockRun, BlockRunner } from "./block-runner.ts";
import { DeviceMemory, platformOfKernel } from "./device-memory.ts";
import type { Session as TokenSession } from "./generate.ts";
import type { ImageSource } from "./image-source.ts";
import { type MemoryPlan, type PlanOptions, planMemory } from "./plan.ts";
import { type RunStatus, totalCycles } from "./status.ts";
import { readTrace, type TraceEntry } from "./trace.ts";
import { throwIfAborted, type UploadOptions, uploadModel } from "./upload.ts";

export interface SessionOptions extends PlanOptions, UploadOptions {
  /** With the xclbin loaded. */
  readonly device: Device;
  readonly image: ImageSource;
  /** Close the device with the session, and when opening fails. Default false. */
  readonly ownsDevice?: boolean | undefined;
  /** What executes the command stream, for people; default: what the device's name has in parentheses, or "xrt". */
  readonly engine?: string | undefined;
  /** Milliseconds until a block counts as hung; default the device's, and longer for large models on a CPU. */
  readonly timeoutMs?: number | undefined;
}

/** Positions are 32-bit words of the token record; this many stay clear of the sign. */
const maxPositions = 2 ** 31 - 1;

/** Multiplications in a millisecond that the golden engine reaches on any machine worth trying it on. */
const slowestProductsPerMs = 10_000;

/** A model on a device and one sequence in its KV cache. One call at a time. */
export class Session implements TokenSession {
  readonly plan: MemoryPlan;
  readonly deviceName: string;
  readonly engine: string;
  readonly vocabSize: number;
  readonly layers: number;
  readonly maxPositions = maxPositions;
  readonly #options: SessionOptions;
  readonly #memory: DeviceMemory;
  readonly #runner: BlockRunner;
  #running: { readonly done: Promise<unknown>; readonly stop: AbortController } | undefined;
  #closed = false;
  #freed = false;
  #position = 0;
  #last: { block: BlockRun; status: RunStatus } | undefined;
  #decoded = { tokens: 0, seconds: 0 };
  #modelledSeconds = 0;

  /**
   * Opens the kernel, lays out its memory and sends the model.
   * @throws UsageError (window), InputError (image), DeviceError, InterruptedError; nothing stays open then
   */
  static async open(options: SessionOptions): Promise<Session> {
    const { device, image } = options;
    let memory: DeviceMemory | undefined;
    try {
      throwIfAborted(options.signal);
      memory = new DeviceMemory(device);
      const plan = planMemory(image.header, platformOfKernel(memory.kernel), options);
      memory.allocate(plan);
      const frequencies = ropeFrequencies(image.header.model);
      await uploadModel(image, plan, memory.buffers, frequencies, options);
      const runner = new BlockRunner(memory, plan, image.header.model.vocabSize, frequencies);
      runner.writeCommands();
      return new Session(options, plan, memory, runner);
    } catch (error) {
      try {
        memory?.close();
      } finally {
        if (options.ownsDevice) device.close();
      }
      throw error;
    }
  }

  private constructor(options: SessionOptions, plan: MemoryPlan, memory: DeviceMemory, runner: BlockRunner) {
    this.#options = options;
    this.#memory = memory;
    this.#runner = runner;
    this.plan = plan;
    this.deviceName = options.device.name;
    this.engine = options.engine ?? /\(([^)]+)\)/.exec(options.device.name)?.[1] ?? "xrt";
    this.vocabSize = options.image.header.model.vocabSize;
    this.layers = options.image.header.model.layers;
  }

  /** Tokens run since the last reset. */
  get position(): number {
    return this.#position;
  }

  /** Mean over all decoded tokens since opening; undefined before the first, or where the kernel counts nothing. */
  get modelledSecondsPerToken(): number | undefined {
    const { tokens, seconds } = this.#decoded;
    return tokens === 0 ? undefined : seconds / tokens;
  }

  /** Kernel time of all blocks since opening, by their cycle counters; 0 where the kernel counts nothing. */
  get modelledSeconds(): number {
    return this.#modelledSeconds;
  }

  /** Status and cycle counters of the block that ran last. */
  get lastStatus(): RunStatus | undefined {
    return this.#last?.status;
  }

  /**
   * Runs a prompt in blocks and resolves with the logits [vocabulary] after its last token.
   * @throws UsageError for an empty prompt, one over the window, or a token outside the vocabulary
   */
  async prefill(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    const { sinks, window } = this.plan;
    if (ids.length === 0) throw new UsageError("EMPTY_PROMPT", "The prompt has no tokens.");
    if (ids.length > sinks + window) {
      throw new UsageError(
        "PROMPT_TOO_LONG",
        `The prompt has ${ids.length} tokens; ${sinks} sinks and a window of ${window} keep ${sinks + window} of them.`,
        { hint: `Shorten the prompt by ${ids.length - sinks - window} tokens or widen the window.` },
      );
    }
    return this.#exclusive(signal, async (both) => {
      const [logits] = await this.#runBlocks(ids, ids.length - 1, both);
      return logits!;
    });
  }

  /** Runs one token and resolves with the logits [vocabulary] after it. */
  async decode(id: number, signal?: AbortSignal): Promise<Float32Array> {
    return this.#exclusive(signal, async (both) => {
      const [logits] = await this.#runBlocks([id], 0, both);
      const { status } = this.#last!;
      if (status.counters !== "none") {
        const seconds = this.#secondsOf(status);
        this.#decoded = { tokens: this.#decoded.tokens + 1, seconds: this.#decoded.seconds + seconds };
      }
      return logits!;
    });
  }

  /** Runs tokens, any number of them, and resolves with the logits [vocabulary] after each. */
  async logitsForAll(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array[]> {
    return this.#exclusive(signal, (both) => this.#runBlocks(ids, 0, both));
  }

  /** Starts a new sequence. What the cache holds may stay: nothing at or past the position is read. */
  reset(): void {
    if (!this.#closed) this.startAt(0);
  }

  /** Sets the position of the next token without running what is before it; the cache is taken as it is. */
  startAt(position: number): void {
    this.#checkIdle();
    if (!Number.isInteger(position) || position < 0 || position > maxPositions) {
      throw new UsageError(
        "BAD_POSITION",
        `${position} is no position; it must be a whole number below 2^31.`,
      );
    }
    this.#position = position;
  }

  /** Activations of the block that ran last, in a session opened with `trace`. */
  trace(): TraceEntry[] {
    if (!this.#options.trace || this.#last === undefined) {
      throw new UsageError(
        "NO_TRACE",
        "There is no trace: the session was opened without it, or has run nothing.",
      );
    }
    return readTrace(this.#runner, this.plan.forward.dumps, this.#last.block);
  }

  /** A copy of one layer's KV cache in one KV channel, as the device holds it. */
  readKv(layer: number, channel: number): Uint8Array {
    this.#checkIdle();
    const bytes = this.plan.kv.layerBeats * beatBytes;
    const name = `kv${channel}`;
    const start = layer * bytes;
    this.#memory.buffer(name).sync("fromDevice", bytes, start);
    return Uint8Array.from(this.#memory.map(name).subarray(start, start + bytes));
  }

  /** Fills the whole KV cache with zeros, so that its bytes can be compared. */
  clearKv(): void {
    this.#checkIdle();
    for (let channel = 0; channel < this.plan.kv.channels; channel++) {
      this.#memory.map(`kv${channel}`).fill(0);
      this.#memory.buffer(`kv${channel}`).sync("toDevice");
    }
  }

  /** Ends a call that is under way, then frees everything. Nothing else may be called after. Safe twice. */
  async close(): Promise<void> {
    this.#closed = true;
    if (this.#running !== undefined) {
      this.#running.stop.abort(new InterruptedError("The session was closed."));
      await this.#running.done.catch(() => undefined);
    }
    if (this.#freed) return;
    this.#freed = true;
    try {
      this.#memory.close();
    } finally {
      if (this.#options.ownsDevice) this.#options.device.close();
    }
  }

  /** Logits of the tokens from index `firstLogit` on. */
  async #runBlocks(ids: readonly number[], firstLogit: number, signal: AbortSignal): Promise<Float32Array[]> {
    this.#checkTokens(ids);
    const logits: Float32Array[] = [];
    for (let start = 0; start < ids.length; start += limits.blockTokens) {
      throwIfAborted(signal);
      const tokens = ids.slice(start, start + limits.blockTokens);
      const first = Math.min(tokens.length, Math.max(0, firstLogit - start));
      const block = { tokens, position: this.#position, firstLogit: first };
      this.#last = undefined;
      const timeoutMs = this.#options.timeoutMs ?? this.#cpuTimeoutMs(tokens.length);
      const status = await this.#runner.run(block, { signal, timeoutMs });
      this.#last = { block, status };
      this.#modelledSeconds += this.#secondsOf(status);
      this.#position += tokens.length;
      for (let t = first; t < tokens.length; t++) logits.push(this.#runner.readLogits(t));
    }
    return logits;
  }

  #secondsOf(status: RunStatus): number {
    return totalCycles(status) / (this.plan.platform.clockMHz * 1e6);
  }

  /** A CPU's own pace; undefined for a card, where the device's default is ample. */
  #cpuTimeoutMs(tokens: number): number | undefined {
    if (!ENGINES.some((engine) => engine === this.engine)) return undefined;
    const { tensors } = this.#options.image.header;
    const products = tensors.reduce((sum, { rows, columns }) => sum + rows * columns, 0) * tokens;
    return 60_000 + products / slowestProductsPerMs;
  }

  #checkTokens(ids: readonly number[]): void {
    const unknown = ids.find((id) => !Number.isInteger(id) || id < 0 || id >= this.vocabSize);
    if (unknown !== undefined) {
      throw new UsageError("BAD_TOKEN", `${unknown} is no token of this model's ${this.vocabSize}.`);
    }
    if (this.#position + ids.length > maxPositions) {
      throw new UsageError(
        "SEQUENCE_TOO_LONG",
        `${ids.length} tokens after ${this.#position} pass the last position, ${maxPositions}.`,
        { hint: "Start a new sequence." },
      );
    }
  }

  /** Runs one call, which ends early when its caller's signal fires or the session is closed. */
  async #exclusive<T>(
    signal: AbortSignal | undefined,
    work: (signal: AbortSignal) => Promise<T>,
  ): Promise<T> {
    this.#checkIdle();
    throwIfAborted(signal);
    const stop = new AbortController();
    const forward = () => stop.abort(signal?.reason);
    signal?.addEventListener("abort", forward, { once: true });
    const done = work(stop.signal);
    this.#running = { done, stop };
    try {
      return await done;
    } finally {
      this.#running = undefined;
      signal?.removeEventListener("abort", forward);
    }
  }

  #checkIdle(): void {
    if (this.#closed) throw new UsageError("SESSION_CLOSED", "The session is closed.");
    if (this.#running !== undefined) {
      throw new UsageError(
        "SESSION_BUSY",
        "The session is running another call; a device holds one sequence.",
        {
          hint: "Wait for the first call, or open a second session.",
        },
      );
    }
  }
}
