import type { Operation } from "../../quant/format/command.ts";
import { beatBytes, limits, tileRows } from "../../quant/format/limits.ts";
import type { TimingParameters } from "../../quant/format/timing.ts";
import { weightFormats } from "../../quant/format/weight-layout.ts";
import type { Descriptor } from "../engine/commands.ts";
import {
  attendedKeys,
  blockBeats,
  type Channels,
  DescriptorWork,
  firstToken,
  formatOf,
  type JobShape,
  readBlocks,
  turnsOf,
  waves,
} from "./descriptor-work.ts";
import type { Design } from "./design.ts";
import { Schedule, transfer, type Work } from "./schedule.ts";

/** Cycles in which each unit is at work during a job. */
export interface BusyCycles {
  /** The busiest weight or cache channel. */
  readonly hbm: number;
  /** The arrays' first bank, in matrices. */
  readonly array: number;
  /** The arrays' further banks, which have nothing to do in 2:4 matrices with one token. */
  readonly secondBank: number;
  /** The lanes of attention and the arrays' first bank, over keys and values. */
  readonly attention: number;
  readonly mean: number;
  /** Float units, exponentials of attention included. */
  readonly float: number;
  /** What ends the rows of matrices and takes them in, a tile and token a clock. */
  readonly rows: number;
  /** Commands and control: the time in which descriptors are started and ended. */
  readonly control: number;
}

/** Cycles in which the clocks run that can be stopped (hls/dataflow/gate.hpp, hls/rtl/second_bank.v). */
export interface ClockedCycles {
  /** While a matrix needs the further banks. */
  readonly secondBank: number;
  /** While there is attention. */
  readonly attention: number;
  /** While queries for the key means come, and while there are terms to make of them. */
  readonly mean: number;
}

/** One job on the modelled accelerator. */
export interface Timeline {
  readonly cycles: number;
  /** By how much each operation moves the end of the schedule; their sum is `cycles`. */
  readonly byOperation: Readonly<Partial<Record<Operation, number>>>;
  readonly busy: BusyCycles;
  readonly clocked: ClockedCycles;
  /** Bytes moved in HBM: weights, keys and values read, keys and values written. */
  readonly bytes: { readonly weights: number; readonly kvRead: number; readonly kvWritten: number };
  /** int8 x plane, and int8 x 4-bit products. */
  readonly products: { readonly plane: number; readonly attention: number };
}

/** Runs a command stream through the closed form of docs/timing.md. */
export function timeline(descriptors: readonly Descriptor[], job: JobShape, design: Design): Timeline {
  const { platform, parameters } = design;
  const channels = { weight: platform.weightChannels, kv: platform.kvChannels };
  const schedule = new Schedule(parameters);
  const byOperation: Partial<Record<Operation, number>> = {};
  const busy = { hbm: 0, array: 0, secondBank: 0, attention: 0, mean: 0, float: 0, rows: 0, control: 0 };
  const clocked = { secondBank: 0, attention: 0, mean: 0 };
  const stream = new DescriptorWork(job, channels, parameters);
  const bytes = { weights: 0, kvRead: 0, kvWritten: 0 };
  const products = { plane: 0, attention: 0 };
  for (const descriptor of descriptors) {
    const work = stream.next(descriptor);
    const { operation } = descriptor;
    const cycles = schedule.cycles(work);
    byOperation[operation] = (byOperation[operation] ?? 0) + cycles;
    const secondBank = secondBankShare(descriptor, job, parameters);
    for (const item of work) {
      addBusy(busy, item, secondBank, design);
      if (item.kind === "attention" && item.mean > 0) clocked.mean += item.before + item.mean;
    }
    busy.rows += finishedRows(descriptor, job);
    if (secondBank > 0) clocked.secondBank += cycles;
    if (operation === "attend") clocked.attention += cycles;
    addTraffic(descriptor, job, work, channels, parameters, bytes, products);
  }
  return { cycles: schedule.end, byOperation, busy, clocked, bytes, products };
}

/** Share of a matrix's turns in which the further banks have something to do. */
function secondBankShare(descriptor: Descriptor, job: JobShape, p: TimingParameters): number {
  if (descriptor.operation !== "matmul" && descriptor.operation !== "logits") return 0;
  if (p.arrayBanks === 1) return 0;
  const { sparse } = weightFormats[formatOf(descriptor.fields.format)];
  const tokens = job.tokens - firstToken(descriptor, job);
  if (tokens === 0) return 0;
  const turns = turnsOf(sparse, tokens, p);
  const all = (sparse ? 1 : 2) * tokens;
  return Math.max(0, all - turns) / (turns * (p.arrayBanks - 1));
}

/** Clocks in which finished rows leave, four of one token or two in each. */
function finishedRows(descriptor: Descriptor, job: JobShape): number {
  if (descriptor.operation !== "matmul" && descriptor.operation !== "logits") return 0;
  return Math.ceil(descriptor.fields.rows / tileRows) * (job.tokens - firstToken(descriptor, job));
}

function addBusy(
  busy: Record<keyof BusyCycles, number>,
  work: Work,
  secondBank: number,
  { parameters }: Design,
): void {
  if (work.kind === "matrix") {
    busy.hbm += transfer(work.beats, parameters);
    busy.array += work.compute;
    busy.secondBank += work.compute * secondBank;
    busy.control += parameters.matrixLatency;
  } else if (work.kind === "attention") {
    busy.hbm += transfer(work.keyBeats + work.valueBeats, parameters);
    busy.attention += work.keyCompute + work.valueCompute;
    busy.mean += work.mean;
    busy.float += work.before + work.behind + work.exponentials;
    busy.control += parameters.attentionLatency;
  } else {
    busy.float += work.before;
    busy.control += parameters.elementwiseLatency;
  }
}

/** A vector is written into its block: the beat of scales and, but for whole beats, that of codes are read before. */
function writtenBeats(headDim: number): number {
  const codes = headDim / 2 / beatBytes;
  return 2 + (Number.isInteger(codes) ? codes : 2 * Math.ceil(codes));
}

function addTraffic(
  descriptor: Descriptor,
  job: JobShape,
  work: readonly Work[],
  channels: Channels,
  parameters: TimingParameters,
  bytes: Record<keyof Timeline["bytes"], number>,
  products: Record<keyof Timeline["products"], number>,
): void {
  const { operation, fields } = descriptor;
  const first = firstToken(descriptor, job);
  if (operation === "matmul" || operation === "logits") {
    const [item] = work;
    if (item?.kind !== "matrix") return;
    const { planes, sparse } = weightFormats[formatOf(fields.format)];
    const kept = fields.rows * fields.columns * (sparse ? 0.5 : 1);
    bytes.weights += item.beats * channels.weight * beatBytes;
    products.plane += kept * planes * (job.tokens - first);
  } else if (operation === "attend") {
    for (let t = first; t < job.tokens; t++) {
      const keys = attendedKeys(job.position + t, fields.sinks, fields.window);
      const blocks = readBlocks(job.position + t, fields.sinks, fields.ring);
      const { rounds } = waves(fields.heads, fields.kvHeads, parameters.attentionLanes, channels.kv);
      bytes.kvRead += 2 * rounds * fields.kvHeads * blocks * blockBeats(fields.headDim) * beatBytes;
      products.attention += 2 * keys * fields.heads * fields.headDim;
    }
  } else if (operation === "ropeKv") {
    bytes.kvWritten += (job.tokens - first) * 2 * fields.kvHeads * writtenBeats(fields.headDim) * beatBytes;
  }
}

/** Prefill of a prompt: all its blocks, logits for the last token. @returns cycles */
export function prefillCycles(descriptors: readonly Descriptor[], tokens: number, design: Design): number {
  let cycles = 0;
  let steady: { readonly keys: number; readonly cycles: number } | undefined;
  for (let position = 0; position < tokens; position += limits.blockTokens) {
    const count = Math.min(limits.blockTokens, tokens - position);
    const last = position + count === tokens;
    const keys = mostSlots(descriptors, position);
    // Once sinks and ring are full, whole blocks without logits take as long as the one before.
    if (!last && steady?.keys === keys && keys < position) {
      cycles += steady.cycles;
      continue;
    }
    const job = { tokens: count, position, firstLogit: last ? count - 1 : count };
    const block = timeline(descriptors, job, design).cycles;
    if (!last) steady = { keys, cycles: block };
    cycles += block;
  }
  return cycles;
}

function mostSlots(descriptors: readonly Descriptor[], position: number): number {
  const attend = descriptors.find((d) => d.operation === "attend");
  if (attend?.operation !== "attend") return 0;
  return Math.min(position, attend.fields.sinks + attend.fields.ring);
}
