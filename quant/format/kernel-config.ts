import { limits } from "./limits.ts";
import { type Platform, platforms } from "./platform.ts";
import { timingParameters } from "./timing.ts";

/**
 * Compile-time configuration of the dataflow kernel, one a platform. The C++ side of it is generated
 * (hls/include/accllm/generated/config.hpp), so that kernel, link configuration and documentation agree.
 */
export interface KernelConfig {
  /** Maxima under which sizes are run-time data; at most those of the format. */
  readonly limits: Readonly<Record<keyof typeof limits, number>>;
  readonly weightChannels: number;
  readonly kvChannels: number;
  /** Memory channel of kv0: equal channels mean one port that serves weights and cache alike. */
  readonly firstKvChannel: number;
  /** Query heads served at once, each by a lane of its own; a beat of the cache goes to all lanes that share it. */
  readonly lanes: number;
  /** Query heads whose centering terms one row of distances serves in a clock. */
  readonly centeringHeads: number;
  /** Beats of weights between a channel and its array. */
  readonly weightFifo: number;
  /** Beats of the next matrix that are asked for before the cache is read; at most {@link weightFifo}. */
  readonly prefetchBeats: number;
  /** Beats of keys on their way to the score stage. */
  readonly keyFifo: number;
  /** Descriptors that the sequencer runs ahead of the engines. */
  readonly commandFifo: number;
  /** Depth of the activation chain from array to array. */
  readonly chainFifo: number;
}

const shared = {
  lanes: timingParameters.attentionLanes,
  centeringHeads: timingParameters.meanMacs / 128,
  keyFifo: 64,
  commandFifo: 16,
  chainFifo: 4,
} as const;

/**
 * What a card's memories hold: cache and head sizes bound the attention engine's buffers, which exist once a cache
 * channel. Models up to 13B with a window of 2048; larger ones run on the emulator, whose bounds are {@link limits}.
 */
const cardLimits = { ...limits, columns: 20480, headDim: 128, slots: 2080, span: 2064 };

function card(platform: Platform): KernelConfig {
  return {
    ...shared,
    limits: cardLimits,
    weightChannels: platform.weightChannels,
    kvChannels: platform.kvChannels,
    firstKvChannel: firstKvChannel(platform),
    weightFifo: timingParameters.prefetchBeats,
    prefetchBeats: timingParameters.prefetchBeats,
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
    weightFifo: 32,
    prefetchBeats: 32,
    keyFifo: 8,
    commandFifo: 4,
    chainFifo: 2,
  },
};
