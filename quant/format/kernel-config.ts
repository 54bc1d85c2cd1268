import { limits } from "./limits.ts";
import type { Limits } from "./model-limits.ts";
import { type Platform, platforms } from "./platform.ts";
import { timingParameters } from "./timing.ts";

/**
 * Compile-time configuration of the dataflow kernel, one a platform. The C++ side of it is generated
 * (hls/include/accllm/generated/config.hpp), so that kernel, link configuration and documentation agree.
 */
export interface KernelConfig {
  /** Maxima under which sizes are run-time data; at most those of the format. */
  readonly limits: Limits;
  readonly weightChannels: number;
  readonly kvChannels: number;
  /** Memory channel of kv0: equal channels mean one port that serves weights and cache alike. */
  readonly firstKvChannel: number;
  /** Query heads served at once, each by a lane of its own; a beat of the cache goes to all lanes that share it. */
  readonly lanes: number;
  /** Query heads whose centering terms one row of distances serves in a clock. */
  readonly centeringHeads: number;
  /** Banks of an array. The first is made of DSPs, the others of LUTs but for those of {@link dspSecondBanks} arrays. */
  readonly arrayBanks: number;
  /** Arrays, from the first on, whose second bank is made of DSPs too: as many as the card's DSPs allow. */
  readonly dspSecondBanks: number;
  /** Beats of weights between a channel and its array. */
  readonly weightFifo: number;
  /** Beats of the cache on their way from a channel to the lanes, and in front of a lane's array. */
  readonly keyFifo: number;
  /** Descriptors that the sequencer runs ahead of the engines. */
  readonly commandFifo: number;
  /** Depth of the activation chain from array to array. */
  readonly chainFifo: number;
}

const shared = {
  lanes: timingParameters.attentionLanes,
  centeringHeads: timingParameters.meanHeads,
  arrayBanks: timingParameters.arrayBanks,
  dspSecondBanks: 9,
  keyFifo: timingParameters.cacheBeats / 2,
  commandFifo: 16,
  chainFifo: 4,
} as const;

/**
 * What a card's memories and lanes hold: models up to 14B with a window of 2,048 and heads of 64 or 128 elements; others
 * run on the emulator, whose bounds are {@link limits}. The ring of the cache is blockTokens - 1 longer than the window.
 */
const cardLimits = {
  ...limits,
  hidden: 5120,
  columns: 20480,
  headElements: 5120,
  headDim: 128,
  headStep: 64,
  slots: 2064,
  span: 2049,
};

function card(platform: Platform): KernelConfig {
  return {
    ...shared,
    limits: cardLimits,
    weightChannels: platform.weightChannels,
    kvChannels: platform.kvChannels,
    firstKvChannel: firstKvChannel(platform),
    weightFifo: timingParameters.prefetchBeats,
  };
}

function firstKvChannel(platform: Platform): number {
  const port = platform.kernelArguments.find((argument) => argument.name === "kv0");
  if (port?.kind !== "memory") throw new Error(`platform ${platform.name} has no port kv0`);
  return port.bank;
}

/** Sizes of the test configuration: small enough for a threaded run, large enough for every path. */
const tinyLimits = {
  ...limits,
  hidden: 512,
  columns: 1024,
  headElements: 512,
  headDim: 128,
  headStep: 64,
  slots: 128,
  span: 112,
  vocabulary: 1024,
};

export const kernelConfigs: Readonly<Record<string, KernelConfig>> = {
  u280: card(platforms.u280!),
  u55c: card(platforms.u55c!),
  tiny: {
    ...card(platforms.tiny!),
    limits: tinyLimits,
    lanes: 4,
    dspSecondBanks: 1,
    weightFifo: 32,
    keyFifo: 8,
    commandFifo: 4,
    chainFifo: 2,
  },
};
