import { jobFields, statusBeats } from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { kernelAbiVersion } from "../../quant/format/platform.ts";
import type { Cancellation, DeviceBuffer, KernelArguments } from "../device/device.ts";
import { type Descriptor, encodeDescriptors } from "./commands.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { disassemble } from "./disassembler.ts";
import type { MemoryPlan } from "./plan.ts";
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

/** Runs the command stream over blocks of tokens: token records and job header out, status and logits back. */
export class BlockRunner {
  /** The block that ran last; undefined before the first, and after a failure. */
  last: { readonly block: BlockRun; readonly result: BlockResult; readonly status: RunStatus } | undefined;
  readonly #memory: DeviceMemory;
  readonly #plan: MemoryPlan;
  readonly #vocabulary: number;
  readonly #hiddenSize: number;
  readonly #frequencies: Float64Array;
  readonly #args: KernelArguments;
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
    this.#args = Object.freeze({ ...Object.fromEntries(memory.buffers), job: io.jobOffset });
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
  async run(block: BlockRun, { result = "logits", signal, timeoutMs }: BlockRunOptions): Promise<RunStatus> {
    try {
      this.#send(block, result);
      const running = this.#memory.kernel.run(this.#args, { signal, timeoutMs });
      this.#prepare(block.position + block.tokens.length);
      await running;
      const { statusOffset, logitsRowBeats } = this.#plan.io;
      const withRow = result === "logits" && block.tokens.length === 1 && block.firstLogit === 0;
      this.#fetch(statusOffset, statusBeats + (withRow ? logitsRowBeats : 0));
      this.#rowCame = withRow;
      const status = new RunStatus(this.#words, (statusOffset * beatBytes) / 4);
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

  #send(block: BlockRun, result: BlockResult): void {
    const { io } = this.#plan;
    const { tokens } = block;
    const inputOffset = io.jobOffset - tokens.length * io.inputStride;
    this.#writeRecords(inputOffset, block);
    const words = this.#words;
    const job = (io.jobOffset * beatBytes) / 4;
    words[job + jobFields.abiVersion] = kernelAbiVersion;
    words[job + jobFields.commandOffset] = result === "hidden" ? io.hiddenCommandOffset : io.commandOffset;
    words[job + jobFields.commandCount] = result === "hidden" ? io.hiddenCommandCount : io.commandCount;
    words[job + jobFields.inputOffset] = inputOffset;
    words[job + jobFields.inputStride] = io.inputStride;
    words[job + jobFields.tokens] = tokens.length;
    words[job + jobFields.firstLogit] = block.firstLogit;
    words[job + jobFields.statusOffset] = io.statusOffset;
    const status = (io.statusOffset * beatBytes) / 4;
    for (let i = 0; i < statusWords; i++) words[status + i] = 0;
    const end = io.statusOffset + statusBeats;
    this.#io.sync("toDevice", (end - inputOffset) * beatBytes, inputOffset * beatBytes);
  }

  #writeRecords(inputOffset: number, { tokens, position }: BlockRun): void {
    const { sinks, window, io } = this.#plan;
    if (tokens.length === 1 && position === this.#preparedPosition) {
      writeToken(this.#lastRecord, tokens[0]!, position, sinks + window - 1);
      return;
    }
    this.#preparedPosition = undefined;
    const target = this.#bytes.subarray(inputOffset * beatBytes, io.jobOffset * beatBytes);
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
