import { beatBytes, limits, tileRows } from "../../quant/format/limits.ts";
import { addResources, type Resources } from "./card.ts";
import type { Design } from "./design.ts";
import { unitCosts as cost } from "./unit-costs.ts";

/** Units whose work the schedule counts; a module that belongs to none runs all the time. */
export type Unit = "hbm" | "array" | "attention" | "mean" | "float";

/** One module of the design. */
export interface Module {
  readonly name: string;
  readonly unit: Unit | undefined;
  readonly resources: Resources;
}

/** Activation buffers: six of the hidden size or of all heads (x, y, q, k, v and the output of attention), g and u. */
const hiddenBuffers = 6;
const innerBuffers = 2;
/** Copies of the int8 activations, one a super logic region, so that they reach every channel. */
const regions = 3;
/** Kept weights of a 2:4 beat. */
const keptPerBeat = 128;
/** Exponents of a lane's blocks: half a block RAM. */
const blockExponentBram = 0.5;

/**
 * Resources of a design, module by module, from its parameters, the compile-time maxima and the unit costs. What
 * Vitis makes of the sources is not known.
 */
export function designModules({ platform, parameters: p }: Design): Module[] {
  const channels = platform.weightChannels;
  const ports = Math.max(channels, platform.kvChannels);
  // Half of the rows in DSPs, which the 4-bit cache needs; the other half in LUTs.
  const beatsPerClock = p.planeMacs / keptPerBeat;
  const rows = channels * beatsPerClock * tileRows;
  const dspRows = channels * tileRows * Math.max(1, beatsPerClock / 2);
  const floats = (count: number) => uramOf(count * 4);
  const inner = innerBuffers * limits.columns * limits.blockTokens;
  const hidden = hiddenBuffers * limits.hidden * limits.blockTokens;
  return [
    part("HBM ports", "hbm", { ...scaled(cost.readPort, ports + 2) }),
    part("weight and cache FIFOs", "hbm", {
      // A URAM is 72 bits wide and 4,096 deep.
      uram: ports * Math.ceil((beatBytes * 8) / 72) * Math.ceil(p.prefetchBeats / 4096),
    }),
    part("matrix array, DSP rows", "array", { ...scaled(cost.dspRow, dspRows) }),
    part("matrix array, LUT rows", "array", { ...scaled(cost.lutRow, rows - dspRows) }),
    part("group scales and row sums", "array", {
      dsp: rows,
      lut: channels * cost.rowSumsLut,
    }),
    part("row conversion", "array", {
      ...addResources([scaled(cost.floatConvert, 2 * channels), scaled(cost.floatMultiply, channels)]),
    }),
    part("activations", "array", {
      uram: regions * uramOf(limits.columns * limits.blockTokens) + floats(hidden) + floats(inner),
    }),
    part("attention lanes", "attention", {
      ...addResources([
        scaled(cost.floatMultiply, p.attentionLanes * cost.lane.multiplies),
        scaled(cost.floatAdd, p.attentionLanes * cost.lane.adds),
        scaled(cost.floatConvert, p.attentionLanes * cost.lane.converts),
        scaled(cost.exponential, p.attentionLanes),
        zero({ lut: p.attentionLanes * (cost.lane.blockSumsLut + cost.lane.shiftAddLut) }),
      ]),
    }),
    part("cache to lanes", "attention", { lut: p.attentionLanes * beatBytes * 8 * cost.laneMuxLut }),
    // In block RAM: URAM is what the FIFOs and the tables need.
    part("scores and weights", "attention", {
      bram36: p.attentionLanes * (bramOf(limits.slots * cost.lane.floatsPerKey * 4) + blockExponentBram),
    }),
    part("key-mean term", "mean", { dsp: p.meanMacs, lut: p.meanMacs * cost.meanProductLut }),
    part("distance table", "mean", { uram: uramOf(limits.span * limits.headDim * 2) }),
    part("float units", "float", {
      ...addResources([
        scaled(cost.floatMultiply, p.floatLanes * cost.floatLane.multiplies),
        scaled(cost.floatAdd, p.floatLanes * cost.floatLane.adds),
        scaled(cost.floatConvert, p.floatLanes * cost.floatLane.converts),
        scaled(cost.floatDivide, p.floatLanes),
        scaled(cost.exponential, p.floatLanes),
      ]),
    }),
    part("commands and control", undefined, { ...cost.control }),
  ];
}

function part(name: string, unit: Unit | undefined, some: Partial<Resources>): Module {
  const resources = zero(some);
  // FFs that nothing says otherwise of follow the LUTs.
  const ff = some.ff ?? Math.round(resources.lut * cost.ffPerLut);
  return { name, unit, resources: { ...resources, ff } };
}

function zero(some: Partial<Resources>): Resources {
  return { lut: 0, ff: 0, dsp: 0, bram36: 0, uram: 0, ...some };
}

function scaled(resources: Resources, count: number): Resources {
  const { lut, ff, dsp, bram36, uram } = resources;
  return { lut: lut * count, ff: ff * count, dsp: dsp * count, bram36: bram36 * count, uram: uram * count };
}

/** Block RAMs for so many bytes: 4 KiB of data each, the ninth bits left unused. */
function bramOf(bytes: number): number {
  return Math.ceil(bytes / 4096);
}

/** URAMs for so many bytes: 32 KiB of data each, the ninth bits left unused. */
function uramOf(bytes: number): number {
  return Math.ceil(bytes / 32_768);
}
