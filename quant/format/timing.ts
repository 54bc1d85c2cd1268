/**
 * Parameters of the timing model, one table for the emulator's counters (C++, generated into format.hpp), for
 * `accllm estimate` and for docs/timing.md, which gives the formulas and the source of every value. Whole numbers,
 * so that C++ and TypeScript agree to the cycle. Cycles are the kernel's.
 */
export interface TimingParameters {
  /**
   * Beats of 64 bytes that an HBM channel delivers in 10,000 cycles: 92 % of 14.375 GB/s (Shuhai, arXiv 2005.04324)
   * at the kernel's clock; a 512-bit port takes at most 10,000.
   */
  readonly beatsPer10kCycles: number;
  /** From a request to its first beat, through the controller, the crossbar and the port's FIFO. Assumption. */
  readonly readLatency: number;
  /** Beats of a channel that are fetched ahead of their use, shared by consecutive descriptors: eight URAM a channel. */
  readonly prefetchBeats: number;
  /** Whether weights and cache lie in the same channels (1) or in channels of their own (0). */
  readonly sharedChannels: number;
  /** Products of int8 and a 2-bit plane a clock behind one weight channel. */
  readonly planeMacs: number;
  /** Query heads served at once; each lane takes a beat of the cache (128 codes) a clock. */
  readonly attentionLanes: number;
  /** 16-bit products a clock of the key-mean term, all lanes together. */
  readonly meanMacs: number;
  /** Elements a clock of the float units (norm, RoPE, Hadamard, SiLU, quantization). */
  readonly floatLanes: number;
  /** Passes over the elements: sum of squares, gain and largest, codes. */
  readonly normPasses: number;
  /** Centring and rotation with the extremes, then codes, of keys and of values. */
  readonly ropeKvPasses: number;
  /** A query's rotations with their largest (window, sinks, mean term). */
  readonly queryPasses: number;
  /** Division and Hadamard with the largest, then codes. */
  readonly outputPasses: number;
  /** silu(g) * u with the largest, then codes. */
  readonly siluPasses: number;
  /** Reading the job header and the first commands from DDR. Assumption. */
  readonly jobLatency: number;
  /** Dispatch of a descriptor and the depth of its pipeline, filled and drained once. Assumptions. */
  readonly matrixLatency: number;
  readonly attentionLatency: number;
  readonly elementwiseLatency: number;
}

/** The design for the U280 at 225 MHz. */
export const timingParameters: TimingParameters = {
  beatsPer10kCycles: 9184,
  readLatency: 64,
  prefetchBeats: 4096,
  sharedChannels: 1,
  planeMacs: 256,
  attentionLanes: 32,
  meanMacs: 2048,
  floatLanes: 16,
  normPasses: 3,
  ropeKvPasses: 4,
  queryPasses: 3,
  outputPasses: 2,
  siluPasses: 2,
  jobLatency: 200,
  matrixLatency: 100,
  attentionLatency: 300,
  elementwiseLatency: 60,
};

/** Share of a channel's peak that sequential reads reach (Shuhai, arXiv 2005.04324: 425 of 460 GB/s). */
export const burstEfficiency = 0.92;

/** {@link TimingParameters.beatsPer10kCycles} of a channel at a clock. */
export function channelRate(channelBytesPerSecond: number, clockMHz: number, beatBytes: number): number {
  const beatsPerCycle = (channelBytesPerSecond * burstEfficiency) / beatBytes / (clockMHz * 1e6);
  return Math.min(10_000, Math.floor(beatsPerCycle * 10_000));
}
