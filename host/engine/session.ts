import { kernelConfigs } from "../../quant/format/kernel-config.ts";
import { limits } from "../../quant/format/limits.ts";
import { ropeFrequencies } from "../../quant/format/rope.ts";
import type { Cancellation, Device } from "../device/device.ts";
import { UsageError } from "../errors.ts";
import { type BlockResult, type BlockRun, BlockRunner, type BlocksOptions } from "./block-runner.ts";
import { DeviceMemory, platformOfKernel } from "./device-memory.ts";
import { Exclusive } from "./exclusive.ts";
import { FinalNorm } from "./final-norm.ts";
import type { Session as TokenSession } from "./generate.ts";
import type { ImageSource } from "./image-source.ts";
import { KvMemory } from "./kv-memory.ts";
import { type MemoryPlan, type PlanOptions, planMemory } from "./plan.ts";
import { type DecodeCycles, RunTotals } from "./run-totals.ts";
import { checkPrompt, checkTokens, maxPositions } from "./sequence-limits.ts";
import type { RunStatus } from "./status.ts";
import { cpuTimeoutMs } from "./time-limit.ts";
import { readTrace, type TraceEntry } from "./trace.ts";
import { ModelUpload, throwIfAborted, type UploadOptions } from "./upload.ts";

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

/** A model on a device and one sequence in its KV cache. One call at a time. */
export class Session implements TokenSession {
  readonly plan: MemoryPlan;
  readonly deviceName: string;
  readonly engine: string;
  readonly vocabSize: number;
  readonly layers: number;
  readonly power: Device["power"];
  readonly maxPositions = maxPositions;
  readonly #options: SessionOptions;
  readonly #memory: DeviceMemory;
  readonly #runner: BlockRunner;
  readonly #kv: KvMemory;
  readonly #finalNorm: FinalNorm;
  readonly #timeoutMs: (tokens: number) => number | undefined;
  readonly #calls = new Exclusive();
  #freed = false;
  #position = 0;
  readonly #totals: RunTotals;

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
      const platform = platformOfKernel(memory.kernel);
      // The emulator runs the functional kernel, which has the format's maxima; a card what it was compiled for.
      const kernelLimits = device.emulated ? undefined : kernelConfigs[platform.name]?.limits;
      const plan = planMemory(image.header, platform, { ...options, kernelLimits });
      const upload = new ModelUpload(image, plan);
      memory.allocate(plan, (argument, bytes) => upload.hostMemory(argument, bytes));
      const frequencies = ropeFrequencies(image.header.model);
      await upload.send(memory.buffers, frequencies, options);
      const runner = new BlockRunner(memory, plan, image.header.model, frequencies);
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
    const { header } = options.image;
    this.#kv = new KvMemory(memory, plan, header.model);
    this.#finalNorm = new FinalNorm(memory.map("table"), header);
    this.plan = plan;
    this.deviceName = options.device.name;
    this.engine = options.engine ?? /\(([^)]+)\)/.exec(options.device.name)?.[1] ?? "xrt";
    this.#timeoutMs =
      options.timeoutMs === undefined ? cpuTimeoutMs(this.engine, header.tensors) : () => options.timeoutMs;
    this.vocabSize = header.model.vocabSize;
    this.layers = header.model.layers;
    this.#totals = new RunTotals(plan.platform.clockMHz * 1e6);
    this.power = options.device.power;
  }

  /** Tokens run since the last reset. */
  get position(): number {
    return this.#position;
  }

  /** Mean over all decoded tokens since opening; undefined before the first, or where the kernel counts nothing. */
  get modelledSecondsPerToken(): number | undefined {
    return this.#totals.secondsPerToken;
  }

  /** Kernel time of all blocks since opening, by their cycle counters; 0 where the kernel counts nothing. */
  get modelledSeconds(): number {
    return this.#totals.seconds;
  }

  /** Cycles of the tokens decoded since this was last called. */
  takeDecodeCycles(): DecodeCycles {
    return this.#totals.takeDecodeCycles();
  }

  /** Status and cycle counters of the block that ended last; undefined after a failure. */
  get lastStatus(): RunStatus | undefined {
    return this.#runner.last?.status;
  }

  /**
   * Runs a prompt in blocks and resolves with the logits [vocabulary] after its last token, valid until the next call.
   * @throws UsageError for an empty prompt, one over the window, or a token outside the vocabulary
   */
  async prefill(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array> {
    checkPrompt(ids, this.plan);
    return this.#calls.run(signal, async (both) => {
      await this.#runBlocks(ids, { first: ids.length - 1, signal: both });
      return this.#runner.logitsView((ids.length - 1) % limits.blockTokens);
    });
  }

  /**
   * Runs one token and resolves with the logits [vocabulary] after it, valid until the next call. The kernel runs when
   * this returns.
   */
  async decode(id: number, signal?: AbortSignal): Promise<Float32Array> {
    // Without Exclusive.run: each function that waits leaves some hundred bytes of garbage for every token.
    const stop = this.#calls.begin(signal);
    try {
      const ids = [id];
      checkTokens(ids, this.vocabSize, this.#position);
      this.#totals.addToken(await this.#runBlock({ tokens: ids, firstLogit: 0 }, "logits", stop));
      this.#position++;
      return this.#runner.logitsView(0);
    } finally {
      this.#calls.end();
    }
  }

  /** Runs tokens, any number of them, and resolves with copies of the logits [vocabulary] after each. */
  async logitsForAll(ids: readonly number[], signal?: AbortSignal): Promise<Float32Array[]> {
    return this.#calls.run(signal, async (both) => {
      const rows: Float32Array[] = [];
      const take = (token: number) => rows.push(this.#runner.logitsView(token).slice());
      await this.#runBlocks(ids, { first: 0, signal: both, take });
      return rows;
    });
  }

  /**
   * Runs a text and resolves with the hidden states [hiddenSize] after the final norm, float32, of its tokens from
   * index `from` on. The device gives the last layer's output, the norm is that of docs/numerics.md before its int8.
   * @throws UsageError as prefill
   */
  async hiddenStates(ids: readonly number[], from = 0, signal?: AbortSignal): Promise<Float32Array[]> {
    checkPrompt(ids, this.plan);
    return this.#calls.run(signal, async (both) => {
      const states: Float32Array[] = [];
      const take = (token: number) => states.push(this.#finalNorm.apply(this.#runner.readHidden(token)));
      await this.#runBlocks(ids, { first: from, signal: both, result: "hidden", take });
      return states;
    });
  }

  /** Starts a new sequence. What the cache holds may stay: nothing at or past the position is read. */
  reset(): void {
    if (!this.#calls.closed) this.startAt(0);
  }

  /** Sets the position of the next token without running what is before it; the cache is taken as it is. */
  startAt(position: number): void {
    this.#calls.checkIdle();
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
    this.#calls.checkIdle();
    const { last } = this.#runner;
    if (!this.#options.trace || last === undefined) {
      throw new UsageError(
        "NO_TRACE",
        "There is no trace: the session was opened without it, or has run nothing.",
      );
    }
    const { block, result } = last;
    const { dumps, layersDumps } = this.plan.forward;
    return readTrace(this.#runner, result === "logits" ? dumps : dumps.slice(0, layersDumps), block);
  }

  /** A copy of one layer's KV cache in one KV channel, as the device holds it. */
  readKv(layer: number, channel: number): Uint8Array {
    return this.#idleKv.readLayer(layer, channel);
  }

  /** Fills the whole KV cache with zeros, so that its bytes can be compared. */
  clearKv(): void {
    this.#idleKv.clear();
  }

  /** Bytes of {@link readCache}'s copy. */
  cacheBytes(tokens: number): number {
    return this.#kv.sequenceBytes(tokens);
  }

  /** A copy of what the KV cache holds of a sequence of so many tokens. */
  readCache(tokens: number): Uint8Array {
    return this.#idleKv.readSequence(tokens);
  }

  /** Puts a copy back into the KV cache, of this session or another with the same image, sinks and window. */
  writeCache(tokens: number, bytes: Uint8Array): void {
    this.#idleKv.writeSequence(tokens, bytes);
  }

  /** Ends a call that is under way, then frees everything. Nothing else may be called after. Safe twice. */
  async close(): Promise<void> {
    await this.#calls.close();
    if (this.#freed) return;
    this.#freed = true;
    try {
      this.#memory.close();
    } finally {
      if (this.#options.ownsDevice) this.#options.device.close();
    }
  }

  /** Calls `take` with every token from index `first` on, by its place in the block that has just run. */
  async #runBlocks(
    ids: readonly number[],
    { first, signal, result = "logits", take }: BlocksOptions,
  ): Promise<void> {
    checkTokens(ids, this.vocabSize, this.#position);
    const blocks = blocksOf(ids, this.#position, first);
    while (blocks.length > 0) {
      throwIfAborted(signal);
      // Up to the next block whose results are wanted, before which another would write over them.
      const last = blocks.findIndex((block) => block.firstLogit < block.tokens.length);
      const together = blocks.splice(0, last < 0 ? blocks.length : last + 1);
      const timeoutMs = this.#timeoutMs(limits.blockTokens);
      await this.#runner.runQueue(together, { result, signal, timeoutMs }, (status, { tokens }) => {
        this.#totals.add(status);
        this.#position += tokens.length;
      });
      const { firstLogit, tokens } = together.at(-1)!;
      for (let t = firstLogit; t < tokens.length; t++) take?.(t);
    }
  }

  /** Runs a block at the position, which stays. */
  #runBlock(
    { tokens, firstLogit }: Omit<BlockRun, "position">,
    result: BlockResult,
    signal: Cancellation,
  ): Promise<RunStatus> {
    const timeoutMs = this.#timeoutMs(tokens.length);
    return this.#runner.run({ tokens, position: this.#position, firstLogit }, { result, signal, timeoutMs });
  }

  get #idleKv(): KvMemory {
    this.#calls.checkIdle();
    return this.#kv;
  }
}

/** Cuts a text into blocks; results are wanted of its tokens from index `first` on. */
function blocksOf(ids: readonly number[], position: number, first: number): BlockRun[] {
  const blocks: BlockRun[] = [];
  for (let start = 0; start < ids.length; start += limits.blockTokens) {
    const tokens = ids.slice(start, start + limits.blockTokens);
    const firstLogit = Math.min(tokens.length, Math.max(0, first - start));
    blocks.push({ tokens, position: position + start, firstLogit });
  }
  return blocks;
}
