import { type KernelConfig, kernelConfigs } from "../../quant/format/kernel-config.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import { type Platform, platforms } from "../../quant/format/platform.ts";
import {
  channelRate,
  refreshAt,
  type TimingParameters,
  timingParameters,
} from "../../quant/format/timing.ts";
import { UsageError } from "../errors.ts";

/** An accelerator to model: channels, clock, the parameters of the timing table, and what the kernel is compiled for. */
export interface Design {
  readonly platform: Platform;
  readonly kernel: KernelConfig;
  readonly clockMHz: number;
  readonly parameters: TimingParameters;
}

/** What to change of a platform's design. */
export interface DesignChange {
  /** Channels for weights, and for the cache unless `kvChannels` says otherwise. */
  readonly channels?: number | undefined;
  readonly kvChannels?: number | undefined;
  /** Other parameters of the timing table. */
  readonly parameters?: Partial<TimingParameters> | undefined;
  /** Banks of 64 multipliers behind a weight channel. */
  readonly arrayBanks?: number | undefined;
  readonly clockMHz?: number | undefined;
}

/** The design for a platform's card, with changes. @throws UsageError for an unknown platform */
export function designOf(platformName: string, change: DesignChange = {}): Design {
  const base = platforms[platformName];
  if (base === undefined) {
    throw new UsageError("UNKNOWN_PLATFORM", `There is no platform ${JSON.stringify(platformName)}.`, {
      hint: `Known are ${Object.keys(platforms).join(", ")}.`,
    });
  }
  const clockMHz = change.clockMHz ?? base.clockMHz;
  const weightChannels = change.channels ?? base.weightChannels;
  const kvChannels = change.kvChannels ?? change.channels ?? base.kvChannels;
  const platform = { ...base, weightChannels, kvChannels };
  const parameters = {
    ...timingParameters,
    beatsPer10kCycles: channelRate(base.channelBytesPerSecond, clockMHz, beatBytes),
    ...refreshAt(clockMHz),
    arrayBanks: change.arrayBanks ?? timingParameters.arrayBanks,
    ...change.parameters,
  };
  return { platform, kernel: kernelConfigs[platformName]!, clockMHz, parameters };
}
