import { activationBuffers, descriptorFlags } from "../../quant/format/command.ts";
import { beatBytes, groupSize, kvBlockSlots } from "../../quant/format/limits.ts";
import type { TimingParameters } from "../../quant/format/timing.ts";
import { matrixLayout, type WeightFormat, weightFormats } from "../../quant/format/weight-layout.ts";
import type { Descriptor } from "../engine/commands.ts";
import type { Work } from "./schedule.ts";

/** A block of tokens that one job runs. */
export interface JobShape {
  readonly tokens: number;
  /** Position of the first. */
  readonly position: number;
  /** First token whose logits are wanted; `tokens` for none. */
  readonly firstLogit: number;
}

/** First token of the block that a descriptor works on; `tokens` where it has nothing to do. */
export function firstToken({ flags }: Descriptor, { firstLogit }: JobShape): number {
  return (flags & descriptorFlags.head) === 0 ? 0 : firstLogit;
}

export interface Channels {
  readonly weight: number;
  readonly kv: number;
}

const formatNames = Object.keys(weightFormats) as WeightFormat[];

/** Format of a descriptor's matrix. */
export function formatOf(code: number): WeightFormat {
  return formatNames.find((name) => weightFormats[name].code === code)!;
}

/** Keys that a token at `position` attends to. */
export function attendedKeys(position: number, sinks: number, window: number): number {
  const kept = Math.min(position + 1, sinks);
  const first = Math.max(position + 1 - window, sinks);
  return kept + Math.max(0, position + 1 - first);
}

/** Blocks of the cache that are read for a token at `position`: all slots in use, sinks and ring. */
export function readBlocks(position: number, sinks: number, ring: number): number {
  return Math.ceil(Math.min(position + 1, sinks + ring) / kvBlockSlots);
}

/** Beats of a block of keys (or values) of one head: one of scales, then codes. */
export function blockBeats(headDim: number): number {
  return 1 + Math.ceil((kvBlockSlots * headDim) / 2 / beatBytes);
}

/** Waves of an attend descriptor and lanes of the first, as `Waves` of hls/dataflow/slots.hpp. */
export function waves(heads: number, kvHeads: number, lanes: number, kvChannels: number) {
  const group = Math.floor(heads / kvHeads);
  const rounds = Math.ceil(group / lanes);
  const most = Math.min(group < lanes ? Math.floor(lanes / group) : 1, kvChannels);
  const together = 2 ** Math.floor(Math.log2(most));
  return {
    count: Math.ceil(kvHeads / together) * rounds,
    lanes: together * Math.min(group, lanes),
    /** How often a head's keys and values are read. */
    rounds,
  };
}

/** Clocks that a beat takes in the array: banks work on different tokens (2:4) or on halves of a beat (dense). */
export function turnsOf(sparse: boolean, tokens: number, { arrayBanks }: TimingParameters): number {
  return Math.ceil(((sparse ? 1 : 2) * tokens) / arrayBanks);
}

/**
 * Work of the descriptors of one job in their order, as `timing::WorkOfJob` of hls/include/accllm/timing_work.hpp: an item for
 * each, in attention one a token, none where a descriptor has nothing to do or is done with the one before.
 */
export class DescriptorWork {
  readonly #job: JobShape;
  readonly #channels: Channels;
  readonly #p: TimingParameters;
  #previous: Descriptor | undefined;
  /** The squares of x are summed already. */
  #squares = false;
  /** First token of the codes that the arrays' feed holds. */
  #codesFrom: number | undefined;

  constructor(job: JobShape, channels: Channels, parameters: TimingParameters) {
    this.#job = job;
    this.#channels = channels;
    this.#p = parameters;
  }

  next(descriptor: Descriptor): Work[] {
    const taken = takenAlong(this.#previous, descriptor);
    this.#previous = descriptor;
    const first = firstToken(descriptor, this.#job);
    const tokens = this.#job.tokens - first;
    return tokens === 0 ? [] : this.#work(descriptor, taken, first, tokens);
  }

  #work({ operation, flags, fields }: Descriptor, taken: boolean, first: number, tokens: number): Work[] {
    const p = this.#p;
    const elementwise = (cycles: number): Work[] => [{ kind: "elementwise", before: tokens * cycles }];
    const pass = (length: number, lanes = p.floatLanes) => Math.ceil(length / lanes);
    switch (operation) {
      case "embed":
        this.#squares = false;
        return elementwise(pass(fields.hidden));
      case "norm": {
        const squares = this.#squares ? 0 : pass(fields.length, p.rowLanes);
        this.#squares = false;
        this.#codesFrom = undefined;
        return elementwise(squares + p.normPasses * pass(fields.length));
      }
      case "matmul":
      case "logits": {
        const layout = matrixLayout(
          formatOf(fields.format),
          fields.rows,
          fields.columns,
          this.#channels.weight,
        );
        const turns = turnsOf(weightFormats[layout.format].sparse, tokens, p);
        // One token's codes go on to the arrays as they come.
        const held = this.#codesFrom === first || tokens === 1;
        const feed = held ? 0 : Math.ceil(fields.columns / groupSize) * tokens;
        this.#codesFrom = first;
        // The finished rows of a tile leave a token a clock.
        const compute = Math.max(turns * layout.beats, tokens * layout.tiles * this.#channels.weight);
        const keys = operation === "matmul" && fields.destination === activationBuffers.k;
        return [{ kind: "matrix", beats: layout.beats, compute, feed, keys }];
      }
      case "ropeKv":
        return elementwise(fields.kvHeads * p.headCycles * p.ropeKvPasses);
      case "attend":
        this.#codesFrom = undefined;
        return this.#attention(fields, (flags & descriptorFlags.centered) !== 0, first);
      case "siluMul":
        this.#codesFrom = undefined;
        return elementwise((taken ? 0 : pass(fields.length, p.rowLanes)) + pass(fields.length));
      case "add":
        this.#squares = taken;
        return taken ? [] : elementwise(pass(fields.length));
      case "dump":
        return elementwise(pass(fields.length));
    }
  }

  #attention(
    fields: Extract<Descriptor, { operation: "attend" }>["fields"],
    centered: boolean,
    first: number,
  ): Work[] {
    const p = this.#p;
    const { heads, kvHeads, headDim, sinks, ring } = fields;
    const wave = waves(heads, kvHeads, p.attentionLanes, this.#channels.kv);
    const codes = blockBeats(headDim) - 1;
    return Array.from({ length: this.#job.tokens - first }, (_, i): Work => {
      const blocks = readBlocks(this.#job.position + first + i, sinks, ring);
      return {
        kind: "attention",
        keyBeats: wave.count * blocks * (codes + 1),
        valueBeats: wave.count * blocks * (codes + p.scaleBeatTime),
        keyCompute: wave.count * blocks * Math.max(codes + 1, kvBlockSlots),
        valueCompute: wave.count * (blocks + 1) * Math.max(codes, kvBlockSlots),
        mean: centered ? wave.count * blocks * kvBlockSlots * Math.ceil(wave.lanes / p.meanHeads) : 0,
        exponentials: wave.count * blocks * kvBlockSlots,
        before: wave.lanes * p.headCycles * p.queryPasses,
        behind: wave.lanes * p.headCycles * p.outputPasses + Math.ceil((heads * headDim) / p.floatLanes),
        ahead: i === 0,
      };
    });
  }
}

/** Whether a descriptor is done row by row with the matrix before it, as `taken_with` of hls/dataflow/sequencer.hpp. */
function takenAlong(matrix: Descriptor | undefined, { operation, flags, fields }: Descriptor): boolean {
  if (matrix?.operation !== "matmul") return false;
  const { destination, rows } = matrix.fields;
  const fits =
    (operation === "add" && destination === activationBuffers.y) ||
    (operation === "siluMul" && destination === activationBuffers.u);
  const head = (value: number) => value & descriptorFlags.head;
  return fits && fields.length === rows && head(flags) === head(matrix.flags);
}
