import { beatBytes, groupSize, groupsPerScaleBeat, tileRows, tilesPerExponentBeat } from "./limits.ts";
import {
  codeBeat,
  exponentBeat,
  keepPatterns,
  type MatrixLayout,
  scaleBeat,
  tileBeat,
  weightFormats,
} from "./weight-layout.ts";

const quads = groupSize / 4;
const unitBytes = beatBytes / tileRows;

/**
 * Quantized rows, unpacked. A weight is m * 2^exponent * (code - zeroHalf / 2), or exactly zero where 2:4 drops it.
 */
export interface QuantizedRows {
  readonly rows: number;
  readonly groups: number;
  /** [rows][groups * 64]; for 2:4 the dropped positions are ignored. */
  readonly codes: Uint8Array;
  /** 2:4 only, [rows][groups * 16]: index into keepPatterns. */
  readonly patterns: Uint8Array | undefined;
  /** [rows][groups]: m, the integer part of the group's scale. */
  readonly scales: Uint16Array;
  /** [rows][groups]: 2z. */
  readonly zeroHalves: Uint16Array;
  /** [rows]. */
  readonly exponents: Int8Array;
}

export function emptyRows(layout: MatrixLayout, rows: number): QuantizedRows {
  const { groups } = layout;
  return {
    rows,
    groups,
    codes: new Uint8Array(rows * groups * groupSize),
    patterns: weightFormats[layout.format].sparse ? new Uint8Array(rows * groups * quads) : undefined,
    scales: new Uint16Array(rows * groups),
    zeroHalves: new Uint16Array(rows * groups),
    exponents: new Int8Array(rows),
  };
}

/** Channel and tile in that channel of a row. */
export function rowPlace(layout: MatrixLayout, row: number): { channel: number; tile: number; lane: number } {
  const tile = Math.floor(row / tileRows);
  return { channel: tile % layout.channels, tile: Math.floor(tile / layout.channels), lane: row % tileRows };
}

/** Rows after which a whole run of exponents ends in every channel: chunks of this many rows pack independently. */
export function chunkRows(channels: number): number {
  return channels * tileRows * tilesPerExponentBeat;
}

/**
 * Packs rows firstRow .. firstRow + rows.rows - 1 into the channels' bytes.
 * @param channels one array a channel, holding the tensor from beat `firstBeat` on.
 * @param firstRow multiple of {@link chunkRows} when the arrays hold a part of the tensor.
 */
export function packRows(
  layout: MatrixLayout,
  rows: QuantizedRows,
  firstRow: number,
  channels: readonly Uint8Array[],
  firstBeat: number,
): void {
  const { planes, sparse, zeroShift } = weightFormats[layout.format];
  for (let r = 0; r < rows.rows; r++) {
    const { channel, tile, lane } = rowPlace(layout, firstRow + r);
    const bytes = channels[channel]!;
    const start = (tileBeat(layout, tile) - firstBeat) * beatBytes;
    const exponents = (exponentBeat(layout, tile) - firstBeat) * beatBytes;
    bytes[exponents + (tile % tilesPerExponentBeat) * tileRows + lane] = rows.exponents[r]! & 0xff;
    for (let g = 0; g < rows.groups; g++) {
      const at = r * rows.groups + g;
      const unit = start + codeBeat(layout, g, 0) * beatBytes + lane * unitBytes;
      if (sparse) {
        packSparseUnit(bytes, unit, rows, at);
        continue;
      }
      for (let p = 0; p < planes; p++)
        packPlane(bytes, unit + p * beatBytes, rows.codes, at * groupSize, 2 * p);
      const scale = start + scaleBeat(layout, g) * beatBytes;
      const entry = (g % groupsPerScaleBeat) * tileRows + lane;
      putWord(bytes, scale + 2 * entry, rows.scales[at]!);
      putBits(bytes, scale * 8 + 384 + 5 * entry, 5, rows.zeroHalves[at]! >> zeroShift);
    }
  }
}

/** Reads rows back; the inverse of {@link packRows}. `channels` hold the tensor from its beat 0. */
export function unpackRows(
  layout: MatrixLayout,
  channels: readonly Uint8Array[],
  firstRow: number,
  count: number,
): QuantizedRows {
  const { planes, sparse, zeroShift } = weightFormats[layout.format];
  const rows = emptyRows(layout, count);
  for (let r = 0; r < count; r++) {
    const { channel, tile, lane } = rowPlace(layout, firstRow + r);
    const bytes = channels[channel]!;
    const start = tileBeat(layout, tile) * beatBytes;
    const exponents = exponentBeat(layout, tile) * beatBytes;
    rows.exponents[r] = bytes[exponents + (tile % tilesPerExponentBeat) * tileRows + lane]!;
    for (let g = 0; g < rows.groups; g++) {
      const at = r * rows.groups + g;
      const unit = start + codeBeat(layout, g, 0) * beatBytes + lane * unitBytes;
      if (sparse) {
        unpackSparseUnit(bytes, unit, rows, at);
        continue;
      }
      for (let i = 0; i < groupSize; i++) {
        let code = 0;
        for (let p = 0; p < planes; p++) {
          code |= ((bytes[unit + p * beatBytes + (i >> 2)]! >> (2 * (i & 3))) & 3) << (2 * p);
        }
        rows.codes[at * groupSize + i] = code;
      }
      const scale = start + scaleBeat(layout, g) * beatBytes;
      const entry = (g % groupsPerScaleBeat) * tileRows + lane;
      rows.scales[at] = getWord(bytes, scale + 2 * entry);
      rows.zeroHalves[at] = getBits(bytes, scale * 8 + 384 + 5 * entry, 5) << zeroShift;
    }
  }
  return rows;
}

function packPlane(bytes: Uint8Array, unit: number, codes: Uint8Array, first: number, shift: number): void {
  for (let i = 0; i < groupSize; i += 4) {
    const at = first + i;
    bytes[unit + (i >> 2)] =
      ((codes[at]! >> shift) & 3) |
      (((codes[at + 1]! >> shift) & 3) << 2) |
      (((codes[at + 2]! >> shift) & 3) << 4) |
      (((codes[at + 3]! >> shift) & 3) << 6);
  }
}

// A 2:4 unit: 64 bits of codes, 43 bits of positions in base 6 (three quads a byte, the last quad in 3 bits),
// one bit unused, 4 bits of 2z, 16 bits of m.
const positionsByte = 8;
/** The last quad's position in bits 0..2, 2z in bits 4..7. */
const zeroByte = 13;
const scaleByte = 14;

/** First and second kept position by pattern. */
const firstKept = Uint8Array.from(keepPatterns, ([first]) => first);
const secondKept = Uint8Array.from(keepPatterns, ([, second]) => second);

function packSparseUnit(bytes: Uint8Array, unit: number, rows: QuantizedRows, at: number): void {
  const { codes } = rows;
  const patterns = rows.patterns!;
  // Two quads keep four codes: a byte.
  for (let k = 0; k < quads; k += 2) {
    const low = at * groupSize + 4 * k;
    const high = low + 4;
    const lowPattern = patterns[at * quads + k]!;
    const highPattern = patterns[at * quads + k + 1]!;
    bytes[unit + (k >> 1)] =
      (codes[low + firstKept[lowPattern]!]! & 3) |
      ((codes[low + secondKept[lowPattern]!]! & 3) << 2) |
      ((codes[high + firstKept[highPattern]!]! & 3) << 4) |
      ((codes[high + secondKept[highPattern]!]! & 3) << 6);
  }
  for (let t = 0; t < 5; t++) {
    const p = at * quads + 3 * t;
    bytes[unit + positionsByte + t] = patterns[p]! + 6 * patterns[p + 1]! + 36 * patterns[p + 2]!;
  }
  bytes[unit + zeroByte] = patterns[at * quads + 15]! | (rows.zeroHalves[at]! << 4);
  putWord(bytes, unit + scaleByte, rows.scales[at]!);
}

function unpackSparseUnit(bytes: Uint8Array, unit: number, rows: QuantizedRows, at: number): void {
  const patterns = rows.patterns!;
  for (let k = 0; k < quads; k++) {
    // Codes 6 and 7 of the last quad do not occur in images; every engine takes them modulo 6.
    const digits =
      k === 15
        ? bytes[unit + zeroByte]! & 7
        : Math.floor(bytes[unit + positionsByte + Math.floor(k / 3)]! / 6 ** (k % 3));
    const pattern = digits % 6;
    patterns[at * quads + k] = pattern;
    const keep = keepPatterns[pattern]!;
    for (let j = 0; j < 2; j++) {
      const index = 2 * k + j;
      rows.codes[at * groupSize + 4 * k + keep[j]!] = (bytes[unit + (index >> 2)]! >> (2 * (index & 3))) & 3;
    }
  }
  rows.zeroHalves[at] = bytes[unit + zeroByte]! >> 4;
  rows.scales[at] = getWord(bytes, unit + scaleByte);
}

function putWord(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value & 0xff;
  bytes[at + 1] = value >> 8;
}

function getWord(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8);
}

function putBits(bytes: Uint8Array, bit: number, count: number, value: number): void {
  for (let i = 0; i < count; i++) {
    if ((value >> i) & 1) bytes[(bit + i) >> 3]! |= 1 << ((bit + i) & 7);
  }
}

function getBits(bytes: Uint8Array, bit: number, count: number): number {
  let value = 0;
  for (let i = 0; i < count; i++) value |= ((bytes[(bit + i) >> 3]! >> ((bit + i) & 7)) & 1) << i;
  return value;
}
