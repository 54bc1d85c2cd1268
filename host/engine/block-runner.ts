import { jobFields, statusBeats } from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { kernelAbiVersion } from "../../quant/format/platform.ts";
import type { Cancellation, KernelArguments } from "../device/device.ts";
import { type Descriptor, encodeDescriptors } from "./commands.ts";
import type { DeviceMemory } from "./device-memory.ts";
import { disassemble } from "./disassembler.ts";
import type { MemoryPlan } from "./plan.ts";
import { checkStatus, type RunStatus, readStatus } from "./status.ts";
import { type TokenBlock, writeTokenRecords } from "./tables.ts";

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

/** Runs the command stream over blocks of tokens: job header and token records out, status and logits back. */
export class BlockRunner {
  readonly #memory: DeviceMemory;
  readonly #plan: MemoryPlan;
  readonly #vocabulary: number;
  readonly #hiddenSize: number;
  readonly #frequencies: Float64Array;
  readonly #args: KernelArguments;

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
    this.#args = Object.freeze({ ...Object.fromEntries(memory.buffers), job: plan.io.jobOffset });
  }

  /** Sends the command streams, which stay there for all runs. */
  writeCommands(): void {
    const { io, forward, hidden } = this.#plan;
    const send = (beat: number, descriptors: readonly Descriptor[]) => {
      const commands = encodeDescriptors(descriptors);
      const start = beat * beatBytes;
      this.#memory.map("io").set(commands, start);
      this.#memory.buffer("io").sync("toDevice", commands.length, start);
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
    this.#writeJob(block, result);
    await this.#memory.kernel.run(this.#args, { signal, timeoutMs });
    const { statusOffset } = this.#plan.io;
    const status = readStatus(this.#readIo(statusOffset, statusBeats * beatBytes));
    checkStatus(status, (index) => this.#describe(index, result));
    return status;
  }

  /** Logits [vocabulary] of one token of the block that ran last, where they lie until the next block runs. */
  logitsView(token: number): Float32Array {
    const { logitsOffset, logitsRowBeats } = this.#plan.io;
    const bytes = this.#readIo(logitsOffset + token * logitsRowBeats, this.#vocabulary * 4);
    return new Float32Array(bytes.buffer, bytes.byteOffset, this.#vocabulary);
  }

  /** The last layer's output [hiddenSize] for one token of the block that ran last; a copy. */
  readHidden(token: number): Float32Array {
    const { hiddenOffset, hiddenRowBeats } = this.#plan.io;
    return this.readFloats(hiddenOffset + token * hiddenRowBeats, this.#hiddenSize);
  }

  /** float32 values from beat `offset` of io, fresh from the device; a copy. */
  readFloats(offset: number, length: number): Float32Array {
    const values = new Float32Array(length);
    new Uint8Array(values.buffer).set(this.#readIo(offset, length * 4));
    return values;
  }

  #writeJob({ tokens, position, firstLogit }: BlockRun, result: BlockResult): void {
    const { io, sinks, window } = this.#plan;
    const map = this.#memory.map("io");
    const job = new Uint32Array(map.buffer, map.byteOffset + io.jobOffset * beatBytes, beatBytes / 4);
    job[jobFields.abiVersion] = kernelAbiVersion;
    job[jobFields.commandOffset] = result === "hidden" ? io.hiddenCommandOffset : io.commandOffset;
    job[jobFields.commandCount] = result === "hidden" ? io.hiddenCommandCount : io.commandCount;
    job[jobFields.inputOffset] = io.inputOffset;
    job[jobFields.inputStride] = io.inputStride;
    job[jobFields.tokens] = tokens.length;
    job[jobFields.firstLogit] = firstLogit;
    job[jobFields.statusOffset] = io.statusOffset;
    const status = io.statusOffset * beatBytes;
    map.fill(0, status, status + statusBeats * beatBytes);
    const stride = io.inputStride * beatBytes;
    const input = io.inputOffset * beatBytes;
    const end = input + tokens.length * stride;
    writeTokenRecords(
      map.subarray(input, end),
      stride,
      { tokens, position },
      sinks + window - 1,
      this.#frequencies,
    );
    const start = io.jobOffset * beatBytes;
    this.#memory.buffer("io").sync("toDevice", end - start, start);
  }

  #readIo(offset: number, bytes: number): Uint8Array {
    const start = offset * beatBytes;
    const whole = Math.ceil(bytes / beatBytes) * beatBytes;
    this.#memory.buffer("io").sync("fromDevice", whole, start);
    return this.#memory.map("io").subarray(start, start + bytes);
  }

  #describe(index: number, result: BlockResult): string {
    const { forward, hidden } = this.#plan;
    const descriptor = (result === "hidden" ? hidden : forward.descriptors)[index];
    return descriptor === undefined ? "past the end" : disassemble(encodeDescriptors([descriptor]));
  }
}
