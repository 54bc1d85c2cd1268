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
  /** How often a channel stops for a refresh, and for how long ({@link refreshAt}). Assumption: at four different times. */
  readonly refreshInterval: number;
  readonly refreshCycles: number;
  readonly refreshTimes: number;
  /** From a request to its first beat, through the controller, the crossbar and the port's FIFO. Assumption. */
  readonly readLatency: number;
  /** Beats of a read request: 4 KiB, the most that AXI lets one ask for. It is made once the FIFO has room for all. */
  readonly burstBeats: number;
  /** Beats of weights that a channel fetches ahead of their use, over consecutive descriptors: eight URAM a channel. */
  readonly prefetchBeats: number;
  /** The same of the cache, in FIFOs behind the channel and in front of the lane: block RAMs of 512 words each. */
  readonly cacheBeats: number;
  /** Whether weights and cache lie in the same channels (1) or in channels of their own (0). */
  readonly sharedChannels: number;
  /** Banks of 64 packed multipliers behind a weight channel: one takes a 2:4 beat with one token, or half a dense one. */
  readonly arrayBanks: number;
  /** Query heads served at once; each lane takes a beat of the cache (128 codes) or a slot a clock. */
  readonly attentionLanes: number;
  /** Query heads whose key-mean terms (128 products) one distance serves in a clock. */
  readonly meanHeads: number;
  /** Elements a clock of the float units (norm, quantization, embedding). */
  readonly floatLanes: number;
  /** Elements a clock of what the rows of a matrix pass through as they come, and of sums of squares elsewhere. */
  readonly rowLanes: number;
  /** Clocks of a pass over a head (RoPE, Hadamard, quantization): 128 elements at {@link floatLanes}. */
  readonly headCycles: number;
  /** Passes over the elements: gain and largest, codes. The sum of squares is made as x is completed. */
  readonly normPasses: number;
  /** Centring and rotation, of keys and of values; the quantizer of the cache works beside. */
  readonly ropeKvPasses: number;
  /** A query's codes for the window, the sinks and the mean term. */
  readonly queryPasses: number;
  /** Hadamard of the outputs with the largest; then codes, as everywhere. */
  readonly outputPasses: number;
  /** Beats' time that a beat of value scales takes, read one by one. Assumption. */
  readonly scaleBeatTime: number;
  /** From the last rotated vector to its block in memory: read, changed, written, twice. Assumption. */
  readonly cacheWriteLatency: number;
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
  refreshInterval: 878,
  refreshCycles: 70,
  refreshTimes: 4,
  readLatency: 64,
  burstBeats: 64,
  prefetchBeats: 4096,
  cacheBeats: 1024,
  sharedChannels: 1,
  arrayBanks: 2,
  attentionLanes: 32,
  meanHeads: 16,
  floatLanes: 16,
  rowLanes: 4,
  headCycles: 8,
  normPasses: 2,
  ropeKvPasses: 2,
  queryPasses: 3,
  outputPasses: 1,
  scaleBeatTime: 3,
  cacheWriteLatency: 150,
  jobLatency: 200,
  matrixLatency: 100,
  attentionLatency: 400,
  elementwiseLatency: 60,
};

/** Share of a channel's peak that sequential reads reach (Shuhai, arXiv 2005.04324: 425 of 460 GB/s). */
export const burstEfficiency = 0.92;

/**
 * Refreshes at a clock: every 3.9 us (tREFI of JESD235), for as long as the burst efficiency lacks, 0.31 us, which is within
 * what HBM2 dies need (tRFC of 0.26 to 0.35 us).
 */
export function refreshAt(clockMHz: number): { refreshInterval: number; refreshCycles: number } {
  const refreshInterval = Math.round(3.9 * clockMHz);
  return { refreshInterval, refreshCycles: Math.round(refreshInterval * (1 - burstEfficiency)) };
}

/** {@link TimingParameters.beatsPer10kCycles} of a channel at a clock. */
export function channelRate(channelBytesPerSecond: number, clockMHz: number, beatBytes: number): number {
  const beatsPerCycle = (channelBytesPerSecond * burstEfficiency) / beatBytes / (clockMHz * 1e6);
  return Math.min(10_000, Math.floor(beatsPerCycle * 10_000));
}
