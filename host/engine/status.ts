import {
  counterSources,
  type Operation,
  operations,
  type StatusCode,
  statusBeats,
  statusCodes,
  statusFields,
  statusMagic,
} from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { kernelAbiVersion } from "../../quant/format/platform.ts";
import { DeviceError } from "../errors.ts";

const beatWords = beatBytes / 4;
/** 32-bit words of the status block. */
export const statusWords = statusBeats * beatWords;

const operationNumbers = Object.values(operations);

/** What the kernel reports of one run. A copy of the status block, told apart when it is asked: most is for few. */
export class RunStatus {
  readonly #words: readonly number[];

  /** @param memory 32-bit words; the block begins at `start` */
  constructor(memory: Uint32Array, start = 0) {
    // As long as it gets: one that grows leaves several behind, for every token.
    const words = new Array<number>(statusWords);
    for (let i = 0; i < statusWords; i++) words[i] = memory[start + i]!;
    this.#words = words;
  }

  /** Whether the kernel has written the block at all. */
  get finished(): boolean {
    return this.#words[statusFields.magic] === statusMagic;
  }

  /** A status code's name; undefined for a number that this program does not know. */
  get code(): StatusCode | undefined {
    return keyOf(statusCodes, this.rawCode);
  }

  get rawCode(): number {
    return this.#words[statusFields.code]!;
  }

  /** Index of the descriptor that the code is about. */
  get descriptor(): number {
    return this.#words[statusFields.descriptor]!;
  }

  get abiVersion(): number {
    return this.#words[statusFields.abiVersion]!;
  }

  /** Where the cycles come from; "none" where the kernel counted nothing. */
  get counters(): keyof typeof counterSources {
    return keyOf(counterSources, this.#words[statusFields.counters]!) ?? "none";
  }

  /** Whether the kernel counted its cycles. */
  get counted(): boolean {
    const source = this.#words[statusFields.counters];
    return source === counterSources.modelled || source === counterSources.measured;
  }

  get cycles(): Readonly<Record<Operation, bigint>> {
    const cycles = Object.entries(operations).map(([name, operation]) => {
      const low = beatWords + 2 * operation;
      return [name, (BigInt(this.#words[low + 1]!) << 32n) + BigInt(this.#words[low]!)];
    });
    return Object.fromEntries(cycles) as Record<Operation, bigint>;
  }

  /** Cycles of one operation, by its number; exact below 2^53. */
  cyclesOf(operation: number): number {
    const low = beatWords + 2 * operation;
    return this.#words[low]! + this.#words[low + 1]! * 2 ** 32;
  }

  /** Cycles of all operations together. */
  get totalCycles(): number {
    let sum = 0;
    for (const operation of operationNumbers) sum += this.cyclesOf(operation);
    return sum;
  }
}

function keyOf<K extends string>(names: Readonly<Record<K, number>>, value: number): K | undefined {
  return (Object.keys(names) as K[]).find((name) => names[name] === value);
}

/**
 * Turns anything but a finished, faultless run into an error.
 * @param describe the descriptor of an index as text, for the message
 * @throws DeviceError with a code per status
 */
export function checkStatus(status: RunStatus, describe: (descriptor: number) => string): void {
  if (!status.finished) {
    throw new DeviceError("NO_STATUS", "The kernel completed but wrote no status block.", {
      hint: "The bitstream is not accllm's, or the device lost its memory; load the bitstream again.",
    });
  }
  if (status.rawCode === statusCodes.ok) return;
  const where = `descriptor ${status.descriptor} (${describe(status.descriptor)})`;
  switch (status.code) {
    case "nonFinite":
      throw new DeviceError(
        "NON_FINITE",
        "An activation became infinite or not a number; the logits are not to be used.",
        { hint: "The model's weights or the quantization are at fault; run accllm verify on the image." },
      );
    case "abiMismatch":
      throw new DeviceError(
        "KERNEL_ABI",
        `The kernel speaks version ${status.abiVersion} of the command stream; this program writes version ${kernelAbiVersion}.`,
        { hint: "Build or download the bitstream that belongs to this version of accllm." },
      );
    case "aborted":
      throw new DeviceError("RUN_ABORTED", `The kernel was told to stop and did so at ${where}.`);
    case "badJob":
      throw new DeviceError("BAD_JOB", "The kernel refused the job header.", bug);
    case "badDescriptor":
      throw new DeviceError("BAD_DESCRIPTOR", `The kernel cannot carry out ${where}.`, bug);
    case "outOfRange":
      throw new DeviceError(
        "OUT_OF_RANGE",
        `The kernel was sent outside a buffer or past a limit by ${where}.`,
        bug,
      );
    default:
      throw new DeviceError(
        "BAD_STATUS",
        `The kernel ended with the unknown code ${status.rawCode} at ${where}.`,
        bug,
      );
  }
}

const bug = { hint: "This is a fault in accllm or memory corruption on the device; run accllm verify." };
