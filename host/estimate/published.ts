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
const arrayDsps = 2752;

/** All 32 channels; a FIFO of one burst of 4 KiB a channel. Assumption: nothing is fetched further ahead. */
const parameters: TimingParameters = { ...timingParameters, prefetchBeats: 64 };
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
  });
  const floats = (elements: number, passes: number) => Math.ceil(elements / parameters.floatLanes) * passes;
  const elementwise = (elements: number, passes: number): Work => ({
    kind: "elementwise",
    before: floats(elements, passes),
  });
  const { hidden, inner, heads, headDim } = model;
  const vectorBits = headDim * cacheBits + cacheOverheadBits;
  const attention: Work = {
    kind: "attention",
    beats: Math.ceil((keys * heads * vectorBits) / beatBits / channels),
    compute: Math.ceil((keys * heads * headDim) / perClock),
    // No key centring; the exponentials of the fused stages run beside the products.
    mean: 0,
    exponentials: 0,
    before: floats(heads * headDim, 2),
    behind: floats(heads * headDim, 2),
  };
  const norm = elementwise(hidden, parameters.normPasses);
  const square = matrix(hidden, hidden);
  const layer = [
    norm,
    square,
    square,
    square,
    elementwise(2 * hidden, 2),
    attention,
    square,
    elementwise(hidden, 1),
    norm,
    matrix(inner, hidden),
    matrix(inner, hidden),
    elementwise(inner, parameters.siluPasses),
    matrix(hidden, inner),
    elementwise(hidden, 1),
  ];
  return [
    ...Array.from({ length: model.layers }, () => layer).flat(),
    norm,
    matrix(model.vocabulary, hidden),
  ];
}

/** The published accelerator by our model. */
export interface PublishedEstimate {
  readonly tokensPerSecond: number;
  readonly cycles: number;
  readonly bytesPerToken: number;
  /** Share of the time in which the array, in matrices and attention, is at work. */
  readonly arrayActivity: number;
}

export function estimatePublished(techniques: Techniques = allTechniques): PublishedEstimate {
  const work = token(techniques);
  const schedule = new Schedule(parameters);
  schedule.cycles(work);
  const cycles = schedule.end;
  const perChannel = work.reduce(
    (sum, w) => sum + (w.kind === "elementwise" ? 0 : w.kind === "attention" ? 2 * w.beats : w.beats),
    0,
  );
  const busy = work.reduce(
    (sum, w) => sum + (w.kind === "elementwise" ? 0 : w.kind === "attention" ? 2 * w.compute : w.compute),
    0,
  );
  return {
    tokensPerSecond: (published.clockMHz * 1e6) / cycles,
    cycles,
    bytesPerToken: (perChannel * channels * beatBits) / 8,
    arrayActivity: busy / cycles,
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
