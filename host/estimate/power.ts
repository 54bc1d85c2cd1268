import type { Resources } from "./card.ts";
import { estimatePublished, published } from "./published.ts";
import type { Module } from "./resources.ts";
import type { BusyCycles } from "./timeline.ts";

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
   * Assumption: the same of a module whose clock is stopped by a BUFGCE (AMD UG572; hls/rtl/second_bank.v): the clock up to
   * the buffer. Leakage is in the static part.
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

function withIdle(activity: number, idleShare: number): number {
  return idleShare + (1 - idleShare) * Math.min(1, activity);
}

function hbmWatts(bytesPerSecond: number, model: PowerModel): number {
  return (bytesPerSecond / 1e9) * model.hbmWattsPerGBs;
}

/**
 * Watts of a LUT (with its FFs and wires) that toggles all the time at 225 MHz: what is left of the published 33 W
 * for the published LUTs and DSPs at their modelled activity. Their memories are not known and taken to be `memories`.
 */
export function calibratedWattsPerLut(memories: Resources, model: PowerModel = powerModel): number {
  const { tokensPerSecond, bytesPerToken, arrayActivity } = estimatePublished();
  const fabric = published.watts - model.staticWatts - hbmWatts(tokensPerSecond * bytesPerToken, model);
  const size = sizeInLuts({ ...memories, lut: published.lut, dsp: published.dsp }, model);
  return fabric / (size * withIdle(arrayActivity, model.idleShare));
}

/**
 * @param busy cycles of each unit in a schedule of `cycles`
 * @param memories what the calibration takes for the published design's memories
 */
export function powerOf(
  modules: readonly Module[],
  busy: BusyCycles,
  cycles: number,
  hbmBytesPerSecond: number,
  clockMHz: number,
  memories: Resources,
  model: PowerModel = powerModel,
): Watts {
  const luts = modules.reduce((sum, { units, gated, resources }) => {
    const activity = units.length === 0 ? 1 : units.reduce((all, unit) => all + busy[unit], 0) / cycles;
    return (
      sum + sizeInLuts(resources, model) * withIdle(activity, gated ? model.gatedIdleShare : model.idleShare)
    );
  }, 0);
  const hbm = hbmWatts(hbmBytesPerSecond, model);
  const fabric = luts * calibratedWattsPerLut(memories, model) * (clockMHz / published.clockMHz);
  return { static: model.staticWatts, hbm, fabric, total: model.staticWatts + hbm + fabric };
}
