/**
 * Compile-time maxima of the kernel and limits on model shapes. Dimensions are run-time data below these; the
 * C++ header takes them from here.
 */
export const limits = {
  /** Tokens that one pass of the command stream takes at most; prefill runs in blocks of this many. */
  blockTokens: 16,
  hidden: 8192,
  /** Longest row of a matrix (inputs); 512 groups of 64, which bounds the 48-bit row sum. */
  columns: 32768,
  /** heads x headDim and kvHeads x headDim. */
  headElements: 8192,
  headDim: 256,
  /** Head sizes are multiples of this. */
  headStep: 2,
  /** sinks + ring slots of the KV cache, a multiple of {@link kvBlockSlots}. */
  slots: 8192,
  /** Sinks + window: rows of the distance table. */
  span: 8176,
  vocabulary: 262144,
  layers: 256,
} as const;

/** One beat: what a 512-bit port moves in a clock. All offsets in descriptors count beats. */
export const beatBytes = 64;
/** Weights along the input that share a scale and a zero-point. */
export const groupSize = 64;
/** Rows of one weight tile: one beat holds one 128-bit unit of each. */
export const tileRows = 4;
/** Tiles behind one beat of row exponents. */
export const tilesPerExponentBeat = 16;
/** Groups behind one beat of scales and zero-points (dense formats). */
export const groupsPerScaleBeat = 6;
/** Cache slots that share one beat of scales and minima, and one exponent of the probabilities. */
export const kvBlockSlots = 16;
