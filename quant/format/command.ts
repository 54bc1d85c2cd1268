import { beatBytes } from "./limits.ts";

/**
 * The command stream: 64-byte descriptors of sixteen 32-bit little-endian words. Word 0 is the operation, word 1
 * the flags, the rest is named per operation below. Offsets count beats of 64 bytes from the start of the buffer
 * that the operation reads. The C++ header is generated from these tables.
 */
export const descriptorWords = 16;
export const descriptorBytes = descriptorWords * 4;

export const operations = {
  embed: 1,
  norm: 2,
  matmul: 3,
  ropeKv: 4,
  attend: 5,
  siluMul: 6,
  add: 7,
  logits: 8,
  dump: 9,
} as const;
export type Operation = keyof typeof operations;

/** Word index of each field, per operation. A field named ...Bits holds the bits of a float32. */
export const descriptorFields = {
  /** x = float32(table[token]): rows of float16. */
  embed: { tableOffset: 2, rowBeats: 3, hidden: 4, vocabulary: 5 },
  /** a = quantize(rmsnorm(x) * gain). */
  norm: { gainOffset: 2, length: 3, epsilonBits: 4 },
  /**
   * destination = W a, plus a bias where the flag says so. `beats` is the length of the tensor in every weight channel.
   * The bias is float32 in the table, `rows` of them.
   */
  matmul: { weightOffset: 2, rows: 3, columns: 4, format: 5, destination: 6, beats: 7, biasOffset: 8 },
  /** Rotates K, quantizes K and V to 4 bits and writes them to the cache. */
  ropeKv: { kvOffset: 2, kvHeads: 3, headDim: 4, sinks: 5, window: 6, ring: 7, meanOffset: 8 },
  /** a = quantize(attention(q, cache)). */
  attend: {
    kvOffset: 2,
    kvHeads: 3,
    headDim: 4,
    sinks: 5,
    window: 6,
    ring: 7,
    meanOffset: 8,
    heads: 9,
    scoreScaleBits: 10,
    meanScaleBits: 11,
    distanceOffset: 12,
    distanceBeats: 13,
  },
  /** a = quantize(silu(g) * u). */
  siluMul: { length: 2 },
  /** x = x + y. */
  add: { length: 2 },
  /** io[ioOffset + token * rowBeats] = W a, as float32. */
  logits: { weightOffset: 2, rows: 3, columns: 4, format: 5, ioOffset: 6, beats: 7, rowBeats: 8 },
  /** Writes an activation buffer to io[ioOffset + token * rowBeats]; int8 codes are written as float32 after their scale. */
  dump: { buffer: 2, length: 3, ioOffset: 4, rowBeats: 5 },
} as const satisfies Record<Operation, Record<string, number>>;

/** Flags of word 1. */
export const descriptorFlags = {
  /** Only tokens from the job's firstLogit on. */
  head: 1,
  /** Hadamard rotation of Q, K and V per head. */
  hadamard: 2,
  /** Keys are stored less their calibrated mean. */
  centered: 4,
  /** A bias is added to the rows of a matmul whose destination is q, k, v or y. */
  biased: 8,
} as const;

/** Activation buffers on chip, as `destination` and `buffer` name them. */
export const activationBuffers = { x: 0, a: 1, q: 2, k: 3, v: 4, g: 5, u: 6, y: 7 } as const;
export type ActivationBuffer = keyof typeof activationBuffers;

/** Word index in the 64-byte job header, which the scalar argument `job` names by its beat in io. */
export const jobFields = {
  abiVersion: 0,
  commandOffset: 1,
  commandCount: 2,
  inputOffset: 3,
  /** Beats from one token record to the next. */
  inputStride: 4,
  tokens: 5,
  /** First token of the block whose logits are wanted; equal to `tokens` for none. */
  firstLogit: 6,
  statusOffset: 7,
} as const;

/**
 * A token record: one beat with these words, then float32 tables of headDim/2 entries each, one after the other:
 * cos and sin at the true position, cos and sin at the sinks' query position; padded to a whole beat.
 */
export const tokenFields = { token: 0, position: 1, sinkPosition: 2 } as const;

/** Beats of a token record for a head size. */
export function tokenRecordBeats(headDim: number): number {
  return 1 + Math.ceil((headDim * 8) / beatBytes);
}

/** Word index in the status block's first beat. Cycle counters (uint64, index = operation) fill the next two. */
export const statusFields = {
  /** {@link statusMagic} when the kernel has finished. */
  magic: 0,
  code: 1,
  /** Index of the descriptor that the code is about. */
  descriptor: 2,
  abiVersion: 3,
  /** Where the cycle counters come from. */
  counters: 4,
} as const;
export const statusMagic = 0x4c434341;
export const statusBeats = 3;
export const counterCount = 16;

export const statusCodes = {
  ok: 0,
  abiMismatch: 1,
  badJob: 2,
  badDescriptor: 3,
  outOfRange: 4,
  /** An activation was infinite or not a number; outputs are not to be used. */
  nonFinite: 5,
  aborted: 6,
} as const;
export type StatusCode = keyof typeof statusCodes;

export const counterSources = { none: 0, modelled: 1, measured: 2 } as const;
