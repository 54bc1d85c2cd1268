import type { TimingParameters } from "../../../quant/format/timing.ts";

/** What each parameter of the timing table is and where its value comes from, for docs/timing.md. */
export const parameterNotes: Readonly<
  Record<keyof TimingParameters, readonly [what: string, source: string]>
> = {
  beatsPer10kCycles: [
    "beats of 64 bytes that a channel delivers in 10,000 cycles",
    "92 % of 14.375 GB/s at 225 MHz; Shuhai, arXiv 2005.04324, measured 425 of 460 GB/s",
  ],
  readLatency: [
    "cycles from a request to its first beat",
    "assumption: 280 ns through controller, crossbar and port",
  ],
  prefetchBeats: ["beats a channel fetches ahead", "design: the depth of the eight URAMs that make 512 bits"],
  sharedChannels: ["weights and cache in the same channels", "design"],
  planeMacs: ["int8 x 2-bit products a clock behind a channel", "design: two 2:4 beats, or one dense beat"],
  attentionLanes: ["query heads at once, a beat of 128 codes each a clock", "design"],
  meanMacs: ["16-bit products a clock of the key-mean term", "design"],
  floatLanes: ["elements a clock of the float units", "design"],
  normPasses: ["passes over x in a norm", "sum of squares; gain and largest; codes"],
  ropeKvPasses: ["passes over k (and v) in ropeKv", "rotation with extremes and codes, for each of k and v"],
  queryPasses: ["passes over q", "window, sinks, mean term, each with its largest"],
  outputPasses: ["passes over the output of attention", "division, Hadamard and largest; codes"],
  siluPasses: ["passes over g and u", "silu(g) u with its largest; codes"],
  jobLatency: ["cycles until the first descriptor", "assumption: two dependent reads of DDR"],
  matrixLatency: [
    "cycles of a matrix descriptor besides its beats",
    "assumption: dispatch, pipeline in and out",
  ],
  attentionLatency: ["the same, of a token's attention", "assumption: five stages in and out"],
  elementwiseLatency: ["the same, of the float units", "assumption"],
};
