import { type TimingParameters, timingParameters } from "../../quant/format/timing.ts";
import { Schedule, type Work } from "./schedule.ts";

/**
 * AccLLM as published (arXiv 2505.03745): Llama-2-7B on a U280 at 225 MHz. What the paper does not say is filled in
 * by assumptions; each is named, and docs/timing.md discusses them.
 */
export const published = {
  tokensPerSecond: 164,
  watts: 33,
  clockMHz: 225,
  /** What the paper reports to be used. */
  lut: 420_000,
  dsp: 4497,
  ablation: { pruning: 1.39, w2: 1.91, kv4: 1.05, packing: 1.28 },
} as const;

/** Which of the paper's four techniques are in use. */
export interface Techniques {
  /** 2:4 with a 2-bit position for each kept weight. */
  readonly pruning: boolean;
  /** 2-bit weights; else 8-bit. Assumption: the paper's point of comparison is W8. */
  readonly w2: boolean;
  /** 4-bit cache; else 8-bit. Assumption: the paper's point of comparison is KV8. */
  readonly kv4: boolean;
  /** Two useful products a DSP; else one. */
  readonly packing: boolean;
}

export const allTechniques: Techniques = { pruning: true, w2: true, kv4: true, packing: true };

/** Llama-2-7B. */
const model = { hidden: 4096, inner: 11_008, layers: 32, heads: 32, headDim: 128, vocabulary: 32_000 };
const keys = 2 + 2044;

/** Assumption: a float16 scale and a 2-bit zero-point a group of 64 (the paper says "scale + zero-point"). */
const groupOverheadBits = 16 + 2;
/** Assumption: a float16 scale a token and head (the paper), and as much for an offset. */
const cacheOverheadBits = 32;
/**
 * DSPs of the array. Assumption, bounded by the 4,497 in all: with one product a DSP it must be slow enough for packing
 * to bring its 1.28, and fast enough for 2-bit weights to bring their 1.91.
 */
const arrayDsps = 2880;

/** All 32 channels. Assumption: a FIFO of 16 KiB a channel, what it takes to cover the read latency, and no more ahead. */
const parameters: TimingParameters = {
  ...timingParameters,
  prefetchBeats: 256,
  cacheBeats: 256,
  cacheWriteLatency: 0,
  attentionLatency: 300,
};
/** Assumption: passes of 16 elements a clock over the vectors in norm, RoPE, attention and SiLU. */
const passes = { norm: 3, rope: 2, query: 2, output: 2, silu: 2 };
const channels = 32;
const beatBits = 512;

/** Work of one decoded token with the window full. */
function token(techniques: Techniques): Work[] {
  const weightBits = techniques.w2 ? 2 : 8;
  const kept = techniques.pruning ? 0.5 : 1;
  const positionBits = techniques.pruning ? 2 : 0;
  const perClock = arrayDsps * (techniques.packing ? 2 : 1);
  const bitsPerWeight = kept * (weightBits + positionBits) + groupOverheadBits / 64;
  const cacheBits = techniques.kv4 ? 4 : 8;

  const matrix = (rows: number, columns: number): Work => ({
    kind: "matrix",
    beats: Math.ceil((rows * columns * bitsPerWeight) / beatBits / channels),
    compute: Math.ceil((rows * columns * kept) / perClock),
    feed: 0,
    keys: false,
  });
  const floats = (elements: number, passes: number) => Math.ceil(elements / parameters.floatLanes) * passes;
  const elementwise = (elements: number, passes: number): Work => ({
    kind: "elementwise",
    before: floats(elements, passes),
  });
  const { hidden, inner, heads, headDim } = model;
  const vectorBits = headDim * cacheBits + cacheOverheadBits;
  const cacheBeats = Math.ceil((keys * heads * vectorBits) / beatBits / channels);
  const cacheCompute = Math.ceil((keys * heads * headDim) / perClock);
  const attention: Work = {
    kind: "attention",
    keyBeats: cacheBeats,
    valueBeats: cacheBeats,
    keyCompute: cacheCompute,
    valueCompute: cacheCompute,
    // No key centring; the exponentials of the fused stages run beside the products.
    mean: 0,
    exponentials: 0,
    before: floats(heads * headDim, passes.query),
    behind: floats(heads * headDim, passes.output),
    ahead: false,
  };
  const norm = elementwise(hidden, passes.norm);
  const square = matrix(hidden, hidden);
  const layer = [
    norm,
    square,
    square,
    square,
    elementwise(2 * hidden, passes.rope),
    attention,
    square,
    elementwise(hidden, 1),
    norm,
    matrix(inner, hidden),
    matrix(inner, hidden),
    elementwise(inner, passes.silu),
    matrix(hidden, inner),
    elementwise(hidden, 1),
  ];
  return [
    ...Array.from({ length: model.layers }, () => layer).flat(),
    norm,
    matrix(model.vocabulary, hidden),
  ];
}

type Attention = Work & { kind: "attention" };

/** The published accelerator by our model. */
export interface PublishedEstimate {
  readonly tokensPerSecond: number;
  readonly cycles: number;
  readonly bytesPerToken: number;
  /** Cycles in which the array, in matrices and attention, is at work. */
  readonly arrayCycles: number;
}

export function estimatePublished(techniques: Techniques = allTechniques): PublishedEstimate {
  const work = token(techniques);
  const schedule = new Schedule(parameters);
  schedule.cycles(work);
  const cycles = schedule.end;
  const sum = (matrix: (w: Work & { kind: "matrix" }) => number, attention: (w: Attention) => number) =>
    work.reduce(
      (total, w) => total + (w.kind === "matrix" ? matrix(w) : w.kind === "attention" ? attention(w) : 0),
      0,
    );
  const perChannel = sum(
    (w) => w.beats,
    (w) => w.keyBeats + w.valueBeats,
  );
  const busy = sum(
    (w) => w.compute,
    (w) => w.keyCompute + w.valueCompute,
  );
  return {
    tokensPerSecond: (published.clockMHz * 1e6) / cycles,
    cycles,
    bytesPerToken: (perChannel * channels * beatBits) / 8,
    arrayCycles: busy,
  };
}

/** Order in which techniques are added in {@link publishedAblation}; the paper's own order is not known. */
const order = ["pruning", "w2", "kv4", "packing"] as const;

/** Factor that each technique brings when it is added to those before it. */
export function publishedAblation(): Record<keyof Techniques, number> {
  let techniques: Techniques = { pruning: false, w2: false, kv4: false, packing: false };
  let before = estimatePublished(techniques).tokensPerSecond;
  const factors: Partial<Record<keyof Techniques, number>> = {};
  for (const name of order) {
    techniques = { ...techniques, [name]: true };
    const { tokensPerSecond } = estimatePublished(techniques);
    factors[name] = tokensPerSecond / before;
    before = tokensPerSecond;
  }
  return factors as Record<keyof Techniques, number>;
}
