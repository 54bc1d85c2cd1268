import { jobFields, statusBeats } from "../../quant/format/command.ts";
import { beatBytes, limits } from "../../quant/format/limits.ts";
import { kernelAbiVersion } from "../../quant/format/platform.ts";
import type { Cancellation, DeviceBuffer, KernelArguments, RunOptions } from "../device/device.ts";
import { type Descriptor, encodeDescriptors } from "./commands.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { disassemble } from "./disassembler.ts";
import { type JobPlace, type MemoryPlan, queueLength } from "./plan.ts";
import { checkStatus, RunStatus, statusWords } from "./status.ts";
import { type TokenBlock, writeAngles, writeToken, writeTokenRecords } from "./tables.ts";

export interface BlockRun extends TokenBlock {
  /** First token of the block whose logits are wanted; the number of tokens for none. */
  readonly firstLogit: number;
}

/** Where a run ends: with the logits, or with the last layer's output. */
export type BlockResult = "logits" | "hidden";

export interface BlockRunOptions {
  /** Default "logits". */
  readonly result?: BlockResult | undefined;
  readonly signal?: Cancellation | undefined;
  readonly timeoutMs?: number | undefined;
}

/** What is wanted of several blocks in a row. */
export interface BlocksOptions {
  /** Index of the first token whose result is wanted. */
  readonly first: number;
  readonly signal: Cancellation;
  readonly result?: BlockResult;
  readonly take?: (token: number) => void;
}

/** Tokens that may be under way at a time. */
export const mostTokensUnderWay = queueLength * limits.blockTokens;

/** A place for a job, and the kernel's arguments for a run of it. */
interface Lane {
  readonly place: JobPlace;
  readonly args: KernelArguments;
}

/** Runs the command stream over blocks of tokens: token records and job header out, status and logits back. */
export class BlockRunner {
  /** The block that ran last; undefined before the first, and after a failure. */
  last: { readonly block: BlockRun; readonly result: BlockResult; readonly status: RunStatus } | undefined;
  readonly #memory: DeviceMemory;
  readonly #plan: MemoryPlan;
  readonly #vocabulary: number;
  readonly #hiddenSize: number;
  readonly #frequencies: Float64Array;
  /** For a block whose results may be wanted: they lie behind it. */
  readonly #main: Lane;
  /** For blocks without. */
  readonly #queue: readonly Lane[];
  readonly #io: DeviceBuffer;
  /** The host side of io. */
  readonly #bytes: Uint8Array;
  readonly #words: Uint32Array;
  /** Rows of logits on the host side, by the token's place in the block. */
  readonly #rows: Float32Array[] = [];
  /** Whether a single token's row came with the status. */
  #rowCame = false;
  /** The record of a block's last token. */
  readonly #lastRecord: DataView;
  /** Position whose angles that has; undefined after other tokens. */
  #preparedPosition: number | undefined;

  constructor(
    memory: DeviceMemory,
    plan: MemoryPlan,
    model: { readonly vocabSize: number; readonly hiddenSize: number },
    frequencies: Float64Array,
  ) {
    this.#memory = memory;
    this.#plan = plan;
    this.#vocabulary = model.vocabSize;
    this.#hiddenSize = model.hiddenSize;
    this.#frequencies = frequencies;
    const { io } = plan;
    const buffers = Object.fromEntries(memory.buffers);
    const laneOf = (place: JobPlace): Lane => ({
      place,
      args: Object.freeze({ ...buffers, job: place.jobOffset }),
    });
    this.#main = laneOf(io);
    this.#queue = io.queue.map(laneOf);
    this.#io = memory.buffer("io");
    this.#bytes = memory.map("io");
    const { buffer, byteOffset } = this.#bytes;
    this.#words = new Uint32Array(buffer, byteOffset, (io.beats * beatBytes) / 4);
    const stride = io.inputStride * beatBytes;
    this.#lastRecord = new DataView(buffer, byteOffset + io.jobOffset * beatBytes - stride, stride);
  }

  /** Sends the command streams, which stay there for all runs. */
  writeCommands(): void {
    const { io, forward, hidden } = this.#plan;
    const send = (beat: number, descriptors: readonly Descriptor[]) => {
      const commands = encodeDescriptors(descriptors);
      const start = beat * beatBytes;
      this.#bytes.set(commands, start);
      this.#io.sync("toDevice", commands.length, start);
    };
    send(io.commandOffset, forward.descriptors);
    send(io.hiddenCommandOffset, hidden);
  }

  /**
   * Runs one block.
   * @param block at most limits.blockTokens tokens
   * @throws DeviceError for whatever the kernel reports, InterruptedError
   */
  run(block: BlockRun, options: BlockRunOptions): Promise<RunStatus> {
    return this.#run(block, options, this.#main);
  }

  /**
   * Runs blocks in a row, several of them under way at a time, so that the kernel need not wait for the host.
   * @param blocks of these only the last may have results that are wanted
   * @param done called with each block's status in their order
   * @throws as run; blocks that were under way have ended then, and may have written their part of the cache
   */
  async runQueue(
    blocks: readonly BlockRun[],
    options: BlockRunOptions,
    done: (status: RunStatus, block: BlockRun) => void,
  ): Promise<void> {
    const ends: Promise<RunStatus>[] = [];
    let started = 0;
    try {
      for (const block of blocks) {
        while (started < blocks.length && ends.length < this.#queue.length) {
          const lane =
            started === blocks.length - 1 ? this.#main : this.#queue[started % this.#queue.length]!;
          const end = this.#run(blocks[started]!, { ...options, after: ends.at(-1) }, lane);
          // It is waited for below; until then nobody else would hear of a failure.
          end.catch(() => {});
          ends.push(end);
          started++;
        }
        const status = await ends[0]!;
        ends.shift();
        done(status, block);
      }
    } catch (error) {
      await Promise.allSettled(ends);
      // Not one of those behind the failure.
      this.last = undefined;
      throw error;
    }
  }

  async #run(
    block: BlockRun,
    { result = "logits", ...options }: BlockRunOptions & Pick<RunOptions, "after">,
    { place, args }: Lane,
  ): Promise<RunStatus> {
    try {
      this.#send(block, result, place);
      const running = this.#memory.kernel.run(args, options);
      const main = place === this.#main.place;
      if (main) this.#prepare(block.position + block.tokens.length);
      await running;
      const { logitsRowBeats } = this.#plan.io;
      const withRow = main && result === "logits" && block.tokens.length === 1 && block.firstLogit === 0;
      this.#fetch(place.statusOffset, statusBeats + (withRow ? logitsRowBeats : 0));
      this.#rowCame = withRow;
      const status = new RunStatus(this.#words, (place.statusOffset * beatBytes) / 4);
      checkStatus(status, (index) => this.#describe(index, result));
      this.last = { block, result, status };
      return status;
    } catch (error) {
      this.last = undefined;
      throw error;
    }
  }

  /** Logits [vocabulary] of one token of the block that ran last, where they lie until the next block runs. */
  logitsView(token: number): Float32Array {
    const { logitsOffset, logitsRowBeats } = this.#plan.io;
    const offset = logitsOffset + token * logitsRowBeats;
    if (!this.#rowCame) this.#fetch(offset, logitsRowBeats);
    const { buffer, byteOffset } = this.#bytes;
    this.#rows[token] ??= new Float32Array(buffer, byteOffset + offset * beatBytes, this.#vocabulary);
    return this.#rows[token];
  }

  /** The last layer's output [hiddenSize] for one token of the block that ran last; a copy. */
  readHidden(token: number): Float32Array {
    const { hiddenOffset, hiddenRowBeats } = this.#plan.io;
    return this.readFloats(hiddenOffset + token * hiddenRowBeats, this.#hiddenSize);
  }

  /** float32 values from beat `offset` of io, fresh from the device; a copy. */
  readFloats(offset: number, length: number): Float32Array {
    const values = new Float32Array(length);
    this.#fetch(offset, Math.ceil((length * 4) / beatBytes));
    const start = offset * beatBytes;
    new Uint8Array(values.buffer).set(this.#bytes.subarray(start, start + length * 4));
    return values;
  }

  #send(block: BlockRun, result: BlockResult, place: JobPlace): void {
    const { io } = this.#plan;
    const { tokens } = block;
    const inputOffset = place.jobOffset - tokens.length * io.inputStride;
    this.#writeRecords(inputOffset, block, place);
    const words = this.#words;
    const job = (place.jobOffset * beatBytes) / 4;
    words[job + jobFields.abiVersion] = kernelAbiVersion;
    words[job + jobFields.commandOffset] = result === "hidden" ? io.hiddenCommandOffset : io.commandOffset;
    words[job + jobFields.commandCount] = result === "hidden" ? io.hiddenCommandCount : io.commandCount;
    words[job + jobFields.inputOffset] = inputOffset;
    words[job + jobFields.inputStride] = io.inputStride;
    words[job + jobFields.tokens] = tokens.length;
    words[job + jobFields.firstLogit] = block.firstLogit;
    words[job + jobFields.statusOffset] = place.statusOffset;
    const status = (place.statusOffset * beatBytes) / 4;
    for (let i = 0; i < statusWords; i++) words[status + i] = 0;
    const end = place.statusOffset + statusBeats;
    this.#io.sync("toDevice", (end - inputOffset) * beatBytes, inputOffset * beatBytes);
  }

  #writeRecords(inputOffset: number, { tokens, position }: BlockRun, place: JobPlace): void {
    const { sinks, window, io } = this.#plan;
    const main = place === this.#main.place;
    if (main && tokens.length === 1 && position === this.#preparedPosition) {
      writeToken(this.#lastRecord, tokens[0]!, position, sinks + window - 1);
      return;
    }
    if (main) this.#preparedPosition = undefined;
    const target = this.#bytes.subarray(inputOffset * beatBytes, place.jobOffset * beatBytes);
    const stride = io.inputStride * beatBytes;
    writeTokenRecords(target, stride, { tokens, position }, sinks + window - 1, this.#frequencies);
  }

  /** Writes the angles of what is likely to be the next token while the kernel runs. */
  #prepare(position: number): void {
    const { sinks, window } = this.#plan;
    writeAngles(this.#lastRecord, position, sinks + window - 1, this.#frequencies);
    this.#preparedPosition = position;
  }

  /** Brings beats of io to the host side. */
  #fetch(offset: number, beats: number): void {
    this.#io.sync("fromDevice", beats * beatBytes, offset * beatBytes);
  }

  #describe(index: number, result: BlockResult): string {
    const { forward, hidden } = this.#plan;
    const descriptor = (result === "hidden" ? hidden : forward.descriptors)[index];
    return descriptor === undefined ? "past the end" : disassemble(encodeDescriptors([descriptor]));
  }
}
