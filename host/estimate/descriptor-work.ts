import { descriptorFlags } from "../../quant/format/command.ts";
import { beatBytes, kvBlockSlots } from "../../quant/format/limits.ts";
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

/** Beats of `keys` keys (or values) of one head. */
export function headBeats(keys: number, headDim: number): number {
  const blockBeats = 1 + Math.ceil((kvBlockSlots * headDim) / 2 / beatBytes);
  return Math.ceil(keys / kvBlockSlots) * blockBeats;
}

/** Work of a descriptor in a job, as `timing::work` of hls/include/accllm/timing.hpp: one item a token in attention. */
export function descriptorWork(
  { operation, flags, fields }: Descriptor,
  job: JobShape,
  channels: Channels,
  p: TimingParameters,
): Work[] {
  const head = (flags & descriptorFlags.head) !== 0;
  const tokens = job.tokens - (head ? job.firstLogit : 0);
  if (tokens === 0) return [];
  const elementwise = (length: number, passes: number): Work[] => [
    { kind: "elementwise", before: tokens * Math.ceil(length / p.floatLanes) * passes },
  ];
  switch (operation) {
    case "embed":
      return elementwise(fields.hidden, 1);
    case "norm":
      return elementwise(fields.length, p.normPasses);
    case "matmul":
    case "logits": {
      const layout = matrixLayout(formatOf(fields.format), fields.rows, fields.columns, channels.weight);
      const products = weightFormats[layout.format].sparse ? 128 : 256;
      const compute = Math.ceil((layout.beats * products * tokens) / p.planeMacs);
      return [{ kind: "matrix", beats: layout.beats, compute }];
    }
    case "ropeKv":
      return elementwise(fields.kvHeads * fields.headDim, p.ropeKvPasses);
    case "attend": {
      const centered = (flags & descriptorFlags.centered) !== 0;
      const elements = fields.heads * fields.headDim;
      const floats = Math.ceil(elements / p.floatLanes);
      const rounds = Math.ceil(fields.heads / p.attentionLanes);
      return Array.from({ length: job.tokens }, (_, t): Work => {
        const keys = attendedKeys(job.position + t, fields.sinks, fields.window);
        const beats = headBeats(keys, fields.headDim);
        return {
          kind: "attention",
          beats: Math.ceil(fields.kvHeads / channels.kv) * beats,
          compute: rounds * beats,
          mean: centered ? Math.ceil((elements * keys) / p.meanMacs) : 0,
          exponentials: rounds * keys,
          before: floats * p.queryPasses,
          behind: floats * p.outputPasses,
        };
      });
    }
    case "siluMul":
      return elementwise(fields.length, p.siluPasses);
    case "add":
    case "dump":
      return elementwise(fields.length, 1);
  }
}
