import { widenFloat16 } from "./float16.ts";

/** A format that stores weights in blocks with scales of their own. */
export interface BlockFormat {
  readonly name: string;
  /** Weights of a block. */
  readonly weights: number;
  readonly bytes: number;
  /** Writes a block's weights to `out` from `to` on; the block begins at byte `at`. */
  decode(block: DataView, at: number, out: Float32Array, to: number): void;
}

const half = { bits: new Uint16Array(1), value: new Float32Array(1) };
const fl = Math.fround;

function float16(block: DataView, at: number): number {
  half.bits[0] = block.getUint16(at, true);
  widenFloat16(half.bits, half.value);
  return half.value[0]!;
}

/** 32 codes of 4 bits: the first sixteen in the low halves of the bytes. @param high adds a fifth bit. */
function decodeNibbles(
  block: DataView,
  at: number,
  value: (code: number) => number,
  high: number,
  out: Float32Array,
  to: number,
): void {
  for (let i = 0; i < 16; i++) {
    const byte = block.getUint8(at + i);
    out[to + i] = value((byte & 15) | (((high >>> i) & 1) << 4));
    out[to + i + 16] = value((byte >> 4) | (((high >>> (i + 16)) & 1) << 4));
  }
}

const Q4_0: BlockFormat = {
  ...{ name: "Q4_0", weights: 32, bytes: 18 },
  decode(block, at, out, to) {
    const d = float16(block, at);
    decodeNibbles(block, at + 2, (code) => d * (code - 8), 0, out, to);
  },
};

const Q4_1: BlockFormat = {
  ...{ name: "Q4_1", weights: 32, bytes: 20 },
  decode(block, at, out, to) {
    const d = float16(block, at);
    const least = float16(block, at + 2);
    decodeNibbles(block, at + 4, (code) => fl(d * code) + least, 0, out, to);
  },
};

const Q5_0: BlockFormat = {
  ...{ name: "Q5_0", weights: 32, bytes: 22 },
  decode(block, at, out, to) {
    const d = float16(block, at);
    decodeNibbles(block, at + 6, (code) => d * (code - 16), block.getUint32(at + 2, true), out, to);
  },
};

const Q5_1: BlockFormat = {
  ...{ name: "Q5_1", weights: 32, bytes: 24 },
  decode(block, at, out, to) {
    const d = float16(block, at);
    const least = float16(block, at + 2);
    decodeNibbles(block, at + 8, (code) => fl(d * code) + least, block.getUint32(at + 4, true), out, to);
  },
};

const Q8_0: BlockFormat = {
  ...{ name: "Q8_0", weights: 32, bytes: 34 },
  decode(block, at, out, to) {
    const d = float16(block, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * block.getInt8(at + 2 + i);
  },
};

/** Sixteen groups of sixteen: scale and minimum of 4 bits each, codes of 2 bits. */
const Q2_K: BlockFormat = {
  ...{ name: "Q2_K", weights: 256, bytes: 84 },
  decode(block, at, out, to) {
    const d = float16(block, at + 80);
    const least = float16(block, at + 82);
    for (let i = 0; i < 256; i++) {
      const scales = block.getUint8(at + (i >> 4));
      const byte = block.getUint8(at + 16 + 32 * (i >> 7) + (i & 31));
      const code = (byte >> (2 * ((i >> 5) & 3))) & 3;
      out[to + i] = fl(fl(d * (scales & 15)) * code) - fl(least * (scales >> 4));
    }
  },
};

/** Sixteen scales of 6 bits: low halves in the first eight bytes, high two bits in the last four. */
function scaleOf16(block: DataView, at: number, group: number): number {
  const low = (block.getUint8(at + (group & 7)) >> (group < 8 ? 0 : 4)) & 15;
  const high = (block.getUint8(at + 8 + (group & 3)) >> (2 * (group >> 2))) & 3;
  return (low | (high << 4)) - 32;
}

const Q3_K: BlockFormat = {
  ...{ name: "Q3_K", weights: 256, bytes: 110 },
  decode(block, at, out, to) {
    const d = float16(block, at + 108);
    for (let i = 0; i < 256; i++) {
      const byte = block.getUint8(at + 32 + 32 * (i >> 7) + (i & 31));
      const low = (byte >> (2 * ((i >> 5) & 3))) & 3;
      const high = (block.getUint8(at + (i & 31)) >> (i >> 5)) & 1;
      out[to + i] = fl(d * scaleOf16(block, at + 96, i >> 4)) * (low + 4 * high - 4);
    }
  },
};

/** Eight scales and minima of 6 bits: the first four in the low bits, of the others the high two there. */
function scaleOf8(block: DataView, at: number, group: number, minimum: boolean): number {
  const k = group & 3;
  if (group < 4) return block.getUint8(at + k + (minimum ? 4 : 0)) & 63;
  const low = (block.getUint8(at + 8 + k) >> (minimum ? 4 : 0)) & 15;
  return low | ((block.getUint8(at + k + (minimum ? 4 : 0)) >> 6) << 4);
}

/** @param highAt where the fifth bits are, or -1; bit g of byte i is that of weight i of group g. */
function decodeGroupsOf32(
  block: DataView,
  at: number,
  codesAt: number,
  highAt: number,
  out: Float32Array,
  to: number,
): void {
  const d = float16(block, at);
  const least = float16(block, at + 2);
  for (let group = 0; group < 8; group++) {
    const scale = fl(d * scaleOf8(block, at + 4, group, false));
    const minimum = fl(least * scaleOf8(block, at + 4, group, true));
    for (let i = 0; i < 32; i++) {
      const byte = block.getUint8(codesAt + 32 * (group >> 1) + i);
      const high = highAt < 0 ? 0 : (block.getUint8(highAt + i) >> group) & 1;
      const code = ((group & 1 ? byte >> 4 : byte) & 15) + 16 * high;
      out[to + 32 * group + i] = fl(scale * code) - minimum;
    }
  }
}

const Q4_K: BlockFormat = {
  ...{ name: "Q4_K", weights: 256, bytes: 144 },
  decode: (block, at, out, to) => decodeGroupsOf32(block, at, at + 16, -1, out, to),
};

const Q5_K: BlockFormat = {
  ...{ name: "Q5_K", weights: 256, bytes: 176 },
  decode: (block, at, out, to) => decodeGroupsOf32(block, at, at + 48, at + 16, out, to),
};

/** Sixteen groups of sixteen: scales of 8 bits, codes of 4 low and 2 high bits. */
const Q6_K: BlockFormat = {
  ...{ name: "Q6_K", weights: 256, bytes: 210 },
  decode(block, at, out, to) {
    const d = float16(block, at + 208);
    for (let i = 0; i < 256; i++) {
      const part = i >> 7;
      const quarter = (i >> 5) & 3;
      const byte = block.getUint8(at + 64 * part + (i & 31) + 32 * (quarter & 1));
      const low = quarter < 2 ? byte & 15 : byte >> 4;
      const high = (block.getUint8(at + 128 + 32 * part + (i & 31)) >> (2 * quarter)) & 3;
      out[to + i] = fl(d * block.getInt8(at + 192 + (i >> 4))) * ((low | (high << 4)) - 32);
    }
  },
};

/**
 * By ggml's number. Layouts after ggml's ggml-common.h and ggml-quants.c (llama.cpp), which compute in float32 in this
 * order too.
 */
export const BLOCK_FORMATS: ReadonlyMap<number, BlockFormat> = new Map([
  [2, Q4_0],
  [3, Q4_1],
  [6, Q5_0],
  [7, Q5_1],
  [8, Q8_0],
  [10, Q2_K],
  [11, Q3_K],
  [12, Q4_K],
  [13, Q5_K],
  [14, Q6_K],
]);
