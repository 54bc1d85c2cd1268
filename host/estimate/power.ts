import type { Resources } from "./card.ts";
import { estimatePublished, published } from "./published.ts";
import type { Module } from "./resources.ts";
import type { Timeline } from "./timeline.ts";

/**
 * Power of card and memory in watts: a static part, energy a bit of HBM traffic, and the fabric by LUTs, DSPs and
 * memories that toggle. The fabric's coefficient is calibrated on the published 33 W (published.ts).
 */
export interface PowerModel {
  /** Assumption: leakage, shell, transceivers and idle HBM. */
  readonly staticWatts: number;
  /** HBM2 access energy: 3.92 pJ a bit (O'Connor et al., MICRO 2017). */
  readonly hbmWattsPerGBs: number;
  /** Assumption: what a DSP, a block RAM or a URAM takes, in LUTs. */
  readonly lutsPerDsp: number;
  readonly lutsPerBram36: number;
  readonly lutsPerUram: number;
  /** Assumption: share of its power that an idle module still takes, for its clock. */
  readonly idleShare: number;
  /**
   * Assumption: the same while its clock is stopped by a BUFGCE (AMD UG572; hls/rtl/clock_gate.v): the clock up to the
   * buffer. Leakage is in the static part.
   */
  readonly gatedIdleShare: number;
}

export const powerModel: PowerModel = {
  staticWatts: 8,
  hbmWattsPerGBs: 8e9 * 3.92e-12,
  lutsPerDsp: 20,
  lutsPerBram36: 30,
  lutsPerUram: 60,
  idleShare: 0.3,
  gatedIdleShare: 0.05,
};

export interface Watts {
  readonly static: number;
  readonly hbm: number;
  readonly fabric: number;
  readonly total: number;
}

/** A module's size in LUTs. */
function sizeInLuts({ lut, dsp, bram36, uram }: Resources, model: PowerModel): number {
  return lut + dsp * model.lutsPerDsp + bram36 * model.lutsPerBram36 + uram * model.lutsPerUram;
}

/** Share of its power that a module takes which is at work for `busy` of a time and has its clock for `clocked` of it. */
function powerShare(busy: number, clocked: number, model: PowerModel): number {
  const working = Math.min(1, busy);
  const idle = Math.max(0, clocked - working);
  return working + idle * model.idleShare + (1 - working - idle) * model.gatedIdleShare;
}

function hbmWatts(bytesPerSecond: number, model: PowerModel): number {
  return (bytesPerSecond / 1e9) * model.hbmWattsPerGBs;
}

/**
 * Watts of a LUT (with its FFs and wires) that toggles all the time at 225 MHz: what is left of the published 33 W
 * for the published LUTs and DSPs at the work of the published tokens/s. Their memories are not known and taken to be `memories`.
 */
export function calibratedWattsPerLut(memories: Resources, model: PowerModel = powerModel): number {
  const { bytesPerToken, arrayCycles } = estimatePublished();
  const { tokensPerSecond, clockMHz } = published;
  const activity = (arrayCycles * tokensPerSecond) / (clockMHz * 1e6);
  const fabric = published.watts - model.staticWatts - hbmWatts(tokensPerSecond * bytesPerToken, model);
  const size = sizeInLuts({ ...memories, lut: published.lut, dsp: published.dsp }, model);
  return fabric / (size * powerShare(activity, 1, model));
}

/**
 * @param memories what the calibration takes for the published design's memories
 */
export function powerOf(
  modules: readonly Module[],
  { busy, clocked, cycles }: Pick<Timeline, "busy" | "clocked" | "cycles">,
  hbmBytesPerSecond: number,
  clockMHz: number,
  memories: Resources,
  model: PowerModel = powerModel,
): Watts {
  const luts = modules.reduce((sum, { units, clock, resources }) => {
    const activity = units.reduce((all, unit) => all + busy[unit], 0) / cycles;
    const running = clock === undefined ? 1 : clocked[clock] / cycles;
    return sum + sizeInLuts(resources, model) * powerShare(activity, running, model);
  }, 0);
  const hbm = hbmWatts(hbmBytesPerSecond, model);
  const fabric = luts * calibratedWattsPerLut(memories, model) * (clockMHz / published.clockMHz);
  return { static: model.staticWatts, hbm, fabric, total: model.staticWatts + hbm + fabric };
}
