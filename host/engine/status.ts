import {
  counterCount,
  counterSources,
  type Operation,
  operations,
  type StatusCode,
  statusCodes,
  statusFields,
  statusMagic,
} from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { kernelAbiVersion } from "../../quant/format/platform.ts";
import { DeviceError } from "../errors.ts";

/** What the kernel reports of one run. */
export interface RunStatus {
  /** Whether the kernel has written the block at all. */
  readonly finished: boolean;
  /** A status code's name; undefined for a number that this program does not know. */
  readonly code: StatusCode | undefined;
  readonly rawCode: number;
  /** Index of the descriptor that the code is about. */
  readonly descriptor: number;
  readonly abiVersion: number;
  /** Where the cycles come from; "none" where the kernel counted nothing. */
  readonly counters: keyof typeof counterSources;
  readonly cycles: Readonly<Record<Operation, bigint>>;
}

/** Reads the status block: three beats. */
export function readStatus(bytes: Uint8Array): RunStatus {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = (field: keyof typeof statusFields) => view.getUint32(4 * statusFields[field], true);
  const counter = (index: number) =>
    index < counterCount ? view.getBigUint64(beatBytes + 8 * index, true) : 0n;
  const rawCode = word("code");
  const source = word("counters");
  return {
    finished: word("magic") === statusMagic,
    code: keyOf(statusCodes, rawCode),
    rawCode,
    descriptor: word("descriptor"),
    abiVersion: word("abiVersion"),
    counters: keyOf(counterSources, source) ?? "none",
    cycles: Object.fromEntries(operationIndices.map(([name, index]) => [name, counter(index)])) as Record<
      Operation,
      bigint
    >,
  };
}

const operationIndices = Object.entries(operations);

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
  if (status.code === "ok") return;
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

/** Cycles of all operations together. */
export function totalCycles(status: RunStatus): number {
  return Number(Object.values(status.cycles).reduce((sum, cycles) => sum + cycles, 0n));
}
