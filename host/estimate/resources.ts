import { beatBytes, kvBlockSlots, tileRows } from "../../quant/format/limits.ts";
import { addResources, type Resources } from "./card.ts";
import type { Design } from "./design.ts";
import type { BusyCycles, ClockedCycles } from "./timeline.ts";
import { unitCosts as cost } from "./unit-costs.ts";

/** Units whose work the schedule counts. */
export type Unit = keyof BusyCycles;

/** One module of the design. It is at work when any of its units is. */
export interface Module {
  readonly name: string;
  readonly units: readonly Unit[];
  /** Its clock, where that can be stopped. */
  readonly clock: keyof ClockedCycles | undefined;
  readonly resources: Resources;
}

/** Activation buffers: those of the hidden size or of all heads (x, y, q, k, v and scratch), g and u. */
const hiddenBuffers = 6;
const innerBuffers = 2;
/** Multipliers of a bank, and products of a key-mean term: a head of 128 elements. */
export const bankMultipliers = 64;
const headElements = 128;
/** Rows and tokens that end in a clock. */
const resultsAtOnce = 2 * tileRows;

/**
 * Resources of a design, module by module, from its parameters, the compile-time maxima and the unit costs; the same
 * numbers that hls/dataflow is compiled with (tests/hls/design.test.ts). What Vitis makes of the sources is not known.
 */
export function designModules({ platform, kernel, parameters: p }: Design): Module[] {
  const { limits } = kernel;
  const channels = platform.weightChannels;
  const ports = Math.max(channels, platform.kvChannels);
  const tablePorts = 2;
  const arrays = Math.max(channels, p.attentionLanes);
  const dspSeconds = p.arrayBanks > 1 ? Math.min(kernel.dspSecondBanks, channels) : 0;
  const floats = (count: number) => uramOf(count * 4);
  const inner = innerBuffers * limits.columns * limits.blockTokens;
  const hidden = hiddenBuffers * limits.hidden * limits.blockTokens;
  return [
    part("HBM ports", ["hbm"], { ...scaled(cost.readPort, ports) }),
    part("DDR ports", ["control"], { ...scaled(cost.readPort, tablePorts) }),
    part("weight FIFOs", ["hbm"], {
      // A URAM is 72 bits wide and 4,096 deep.
      uram: channels * Math.ceil((beatBytes * 8) / 72) * Math.ceil(p.prefetchBeats / 4096),
    }),
    part("array, first bank (DSP)", ["array", "attention"], bank(cost.dspGroup, arrays)),
    part("array, operands by kind of work", ["array", "attention"], {
      lut: p.attentionLanes * bankMultipliers * (cost.bankOperandLut - cost.cacheOperandLut),
    }),
    part("array, operands of the cache", ["attention"], {
      lut: p.attentionLanes * bankMultipliers * cost.cacheOperandLut,
    }),
    part("array, further banks (DSP)", ["secondBank"], bank(cost.dspGroup, dspSeconds), "secondBank"),
    part(
      "array, further banks (LUT)",
      ["secondBank"],
      bank(cost.lutGroup, channels * (p.arrayBanks - 1) - dspSeconds),
      "secondBank",
    ),
    part("2:4 decoders", ["array"], { lut: channels * tileRows * cost.rowDecoderLut }),
    part("row sums of the first bank", ["array"], { ...scaled(cost.rowSum, channels * tileRows) }),
    part("row sums of further banks", ["secondBank"], {
      ...scaled(cost.rowSum, channels * tileRows * (p.arrayBanks - 1)),
    }),
    part("row results", ["rows"], {
      ...addResources([
        scaled(cost.floatConvert, resultsAtOnce),
        scaled(cost.floatMultiply, 2 * resultsAtOnce),
      ]),
    }),
    part("activations, feed of the arrays", ["array"], { uram: uramOf(limits.columns * limits.blockTokens) }),
    part("activations, vector engine", ["float", "rows"], {
      uram: uramOf(limits.columns * limits.blockTokens) + floats(hidden) + floats(inner),
    }),
    part(
      "attention lanes",
      ["attention"],
      {
        ...addResources([
          scaled(cost.floatMultiply, p.attentionLanes * cost.lane.multiplies),
          scaled(cost.floatAdd, p.attentionLanes * cost.lane.adds),
          scaled(cost.floatConvert, p.attentionLanes * cost.lane.converts),
          scaled(cost.exponential, p.attentionLanes),
          zero({ lut: p.attentionLanes * (cost.lane.blockSumsLut + cost.lane.shiftAddLut) }),
        ]),
      },
      "attention",
    ),
    part(
      "cache to lanes",
      ["attention"],
      { lut: p.attentionLanes * beatBytes * 8 * cost.laneMuxLut },
      "attention",
    ),
    part(
      "scores and weights",
      ["attention"],
      {
        bram36:
          p.attentionLanes *
          (cost.lane.floatsPerKey * bramOf(limits.slots, 32) + bramOf(limits.slots / kvBlockSlots, 32)),
      },
      "attention",
    ),
    // Streams into what has a clock of its own stay on the kernel's.
    part("FIFOs of cache, codes and means", ["attention"], {
      bram36:
        (platform.kvChannels + p.attentionLanes) * bramOf(kernel.keyFifo, beatBytes * 8) +
        p.attentionLanes * bramOf(limits.slots, 32),
    }),
    part(
      "key-mean term",
      ["mean"],
      { dsp: p.meanHeads * headElements, lut: p.meanHeads * headElements * cost.meanProductLut },
      "mean",
    ),
    part(
      "distance table",
      ["mean"],
      {
        uram:
          Math.ceil(limits.headDim / 32) *
          Math.ceil((limits.span + 1) / 4096) *
          Math.ceil((beatBytes * 8) / 72),
      },
      "mean",
    ),
    part("float units", ["float"], {
      ...addResources([
        scaled(cost.floatMultiply, p.floatLanes * cost.floatLane.multiplies),
        scaled(cost.floatAdd, p.floatLanes * (cost.floatLane.adds + cost.hadamardStages)),
        scaled(cost.floatConvert, p.floatLanes * cost.floatLane.converts),
      ]),
    }),
    part("float units of rows", ["rows"], {
      ...addResources([
        scaled(cost.floatMultiply, p.rowLanes * cost.rowLane.multiplies),
        scaled(cost.floatAdd, p.rowLanes * cost.rowLane.adds),
        scaled(cost.floatDivide, p.rowLanes),
        scaled(cost.exponential, p.rowLanes),
      ]),
    }),
    part("commands and control", ["control"], { ...cost.control }),
  ];
}

function part(
  name: string,
  units: readonly Unit[],
  some: Partial<Resources>,
  clock?: keyof ClockedCycles,
): Module {
  const resources = zero(some);
  // FFs that nothing says otherwise of follow the LUTs.
  const ff = some.ff ?? Math.round(resources.lut * cost.ffPerLut);
  return { name, units, clock, resources: { ...resources, ff } };
}

/** Banks of four groups of sixteen multipliers. */
function bank(group: Resources, count: number): Resources {
  return addResources([
    scaled(group, 4 * count),
    zero({ lut: cost.bankLut * count, ff: cost.bankLut * count }),
  ]);
}

function zero(some: Partial<Resources>): Resources {
  return { lut: 0, ff: 0, dsp: 0, bram36: 0, uram: 0, ...some };
}

function scaled(resources: Resources, count: number): Resources {
  const { lut, ff, dsp, bram36, uram } = resources;
  return { lut: lut * count, ff: ff * count, dsp: dsp * count, bram36: bram36 * count, uram: uram * count };
}

/** Block RAMs for a memory: 1,024 words of 36 bits, or 512 of 72, or half of one for less than half. */
function bramOf(depth: number, bits: number): number {
  const narrow = Math.ceil(depth / 1024) * Math.ceil(bits / 36);
  const wide = Math.ceil(depth / 512) * Math.ceil(bits / 72);
  return depth * bits <= 16_384 ? 0.5 : Math.min(narrow, wide);
}

/** URAMs for so many bytes: 32 KiB of data each, the ninth bits left unused. */
function uramOf(bytes: number): number {
  return Math.ceil(bytes / 32_768);
}
