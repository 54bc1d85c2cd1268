import type { Operation } from "../../quant/format/command.ts";
import { beatBytes, limits } from "../../quant/format/limits.ts";
import { weightFormats } from "../../quant/format/weight-layout.ts";
import type { Descriptor } from "../engine/commands.ts";
import { attendedKeys, descriptorWork, formatOf, headBeats, type JobShape } from "./descriptor-work.ts";
import type { Design } from "./design.ts";
import { Schedule, transfer, type Work } from "./schedule.ts";

/** Cycles in which each unit is at work during a job. */
export interface BusyCycles {
  /** The busiest weight or cache channel. */
  readonly hbm: number;
  /** The matrix array. */
  readonly array: number;
  /** The lanes of attention, over keys and values. */
  readonly attention: number;
  readonly mean: number;
  /** Float units, exponentials of attention included. */
  readonly float: number;
}

/** One job on the modelled accelerator. */
export interface Timeline {
  readonly cycles: number;
  /** By how much each operation moves the end of the schedule; their sum is `cycles`. */
  readonly byOperation: Readonly<Partial<Record<Operation, number>>>;
  readonly busy: BusyCycles;
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
  const busy = { hbm: 0, array: 0, attention: 0, mean: 0, float: 0 };
  const bytes = { weights: 0, kvRead: 0, kvWritten: 0 };
  const products = { plane: 0, attention: 0 };
  for (const descriptor of descriptors) {
    const work = descriptorWork(descriptor, job, channels, parameters);
    const { operation } = descriptor;
    byOperation[operation] = (byOperation[operation] ?? 0) + schedule.cycles(work);
    for (const item of work) addBusy(busy, item, design);
    addTraffic(descriptor, job, work, channels.weight, bytes, products);
  }
  return { cycles: schedule.end, byOperation, busy, bytes, products };
}

function addBusy(busy: Record<keyof BusyCycles, number>, work: Work, { parameters }: Design): void {
  if (work.kind === "matrix") {
    busy.hbm += transfer(work.beats, parameters);
    busy.array += work.compute;
  } else if (work.kind === "attention") {
    busy.hbm += transfer(2 * work.beats, parameters);
    busy.attention += 2 * work.compute;
    busy.mean += work.mean;
    busy.float += work.before + work.behind + work.exponentials;
  } else {
    busy.float += work.before;
  }
}

/** A vector is written into its block: the beat of scales is read and written, the codes' beats are written. */
function writtenBeats(headDim: number): number {
  return 2 + Math.ceil(headDim / 2 / beatBytes);
}

function addTraffic(
  { operation, fields }: Descriptor,
  job: JobShape,
  work: readonly Work[],
  weightChannels: number,
  bytes: Record<keyof Timeline["bytes"], number>,
  products: Record<keyof Timeline["products"], number>,
): void {
  if (operation === "matmul" || operation === "logits") {
    const [item] = work;
    if (item?.kind !== "matrix") return;
    const { planes, sparse } = weightFormats[formatOf(fields.format)];
    const kept = fields.rows * fields.columns * (sparse ? 0.5 : 1);
    bytes.weights += item.beats * weightChannels * beatBytes;
    products.plane += kept * planes * (operation === "logits" ? job.tokens - job.firstLogit : job.tokens);
  } else if (operation === "attend") {
    for (let t = 0; t < job.tokens; t++) {
      const keys = attendedKeys(job.position + t, fields.sinks, fields.window);
      bytes.kvRead += 2 * fields.kvHeads * headBeats(keys, fields.headDim) * beatBytes;
      products.attention += 2 * keys * fields.heads * fields.headDim;
    }
  } else if (operation === "ropeKv") {
    bytes.kvWritten += job.tokens * 2 * fields.kvHeads * writtenBeats(fields.headDim) * beatBytes;
  }
}

/** Prefill of a prompt: all its blocks, logits for the last token. @returns cycles */
export function prefillCycles(descriptors: readonly Descriptor[], tokens: number, design: Design): number {
  let cycles = 0;
  let steady: { readonly keys: number; readonly cycles: number } | undefined;
  for (let position = 0; position < tokens; position += limits.blockTokens) {
    const count = Math.min(limits.blockTokens, tokens - position);
    const last = position + count === tokens;
    const keys = mostKeys(descriptors, position);
    // Once the window is full, whole blocks without logits take as long as the one before.
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

function mostKeys(descriptors: readonly Descriptor[], position: number): number {
  const attend = descriptors.find((d) => d.operation === "attend");
  if (attend?.operation !== "attend") return 0;
  return attendedKeys(position, attend.fields.sinks, attend.fields.window);
}
