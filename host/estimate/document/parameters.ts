import type { TimingParameters } from "../../../quant/format/timing.ts";

/** What each parameter of the timing table is and where its value comes from, for docs/timing.md. */
export const parameterNotes: Readonly<
  Record<keyof TimingParameters, readonly [what: string, source: string]>
> = {
  beatsPer10kCycles: [
    "beats of 64 bytes that a channel delivers in 10,000 cycles",
    "92 % of 14.375 GB/s at 225 MHz; Shuhai, arXiv 2005.04324, measured 425 of 460 GB/s",
  ],
  refreshInterval: ["cycles from refresh to refresh of a channel", "3.9 us, tREFI of JESD235"],
  refreshCycles: [
    "cycles that a refresh takes",
    "what the rate above lacks to the peak: 8 % of the interval",
  ],
  refreshTimes: ["different times at which channels refresh", "assumption"],
  readLatency: [
    "cycles from a request to its first beat",
    "assumption: 280 ns through controller, crossbar and port",
  ],
  burstBeats: ["beats of a read request, made once the FIFO has room for all", "AXI's 4 KiB"],
  prefetchBeats: [
    "beats of weights a channel fetches ahead",
    "design: the depth of the eight URAMs that make 512 bits",
  ],
  cacheBeats: [
    "the same of the cache",
    "design: FIFOs behind the channel and in front of the lane, each the depth of the eight BRAMs that make 512 bits",
  ],
  sharedChannels: ["weights and cache in the same channels", "design"],
  arrayBanks: [
    "banks of 64 multipliers behind a channel",
    "design: a 2:4 beat with two tokens, or a dense beat with one, a clock",
  ],
  attentionLanes: ["query heads at once, a beat of 128 codes each a clock", "design"],
  meanHeads: ["query heads at once of the key-mean term, 128 products of 16 bits each", "design"],
  floatLanes: ["elements a clock of the float units", "design"],
  rowLanes: ["elements a clock of SiLU, additions and squares as rows come", "design"],
  headCycles: ["clocks of a pass over a head of up to 128 elements", "design: 128 / `floatLanes`"],
  normPasses: ["passes over x in a norm", "gain and largest; codes. Squares are summed as x is completed"],
  ropeKvPasses: ["passes over k and v in ropeKv", "one each; the quantizer of the cache works beside"],
  queryPasses: ["passes over q", "codes for window, sinks and mean term"],
  outputPasses: ["passes over the outputs of attention, besides their codes", "Hadamard with the largest"],
  scaleBeatTime: [
    "beats' time of a beat of value scales, 64 bytes in every 1,088",
    "assumption: short reads reach a third of the sequential rate",
  ],
  cacheWriteLatency: [
    "cycles from the last rotated vector until its block is in memory",
    "assumption: two dependent reads and writes",
  ],
  jobLatency: ["cycles until the first descriptor", "assumption: two dependent reads of DDR"],
  matrixLatency: [
    "cycles of a matrix descriptor besides its beats",
    "assumption: dispatch, pipeline in and out",
  ],
  attentionLatency: ["the same, of a token's attention", "assumption: five stages in and out"],
  elementwiseLatency: ["the same, of the float units", "assumption"],
};
