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
      putBits(bytes, scale * 8 + 16 * entry, 16, rows.scales[at]!);
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
      rows.scales[at] = getBits(bytes, scale * 8 + 16 * entry, 16);
      rows.zeroHalves[at] = getBits(bytes, scale * 8 + 384 + 5 * entry, 5) << zeroShift;
    }
  }
  return rows;
}

function packPlane(bytes: Uint8Array, unit: number, codes: Uint8Array, first: number, shift: number): void {
  for (let i = 0; i < groupSize; i++) {
    bytes[unit + (i >> 2)]! |= ((codes[first + i]! >> shift) & 3) << (2 * (i & 3));
  }
}

// A 2:4 unit: 64 bits of codes, 43 bits of positions in base 6 (three quads a byte, the last quad in 3 bits),
// one bit unused, 4 bits of 2z, 16 bits of m.
const positionsBit = 64;
const zeroBit = 108;
const scaleBit = 112;

function packSparseUnit(bytes: Uint8Array, unit: number, rows: QuantizedRows, at: number): void {
  const patterns = rows.patterns!;
  for (let k = 0; k < quads; k++) {
    const keep = keepPatterns[patterns[at * quads + k]!]!;
    for (let j = 0; j < 2; j++) {
      const code = rows.codes[at * groupSize + 4 * k + keep[j]!]! & 3;
      const index = 2 * k + j;
      bytes[unit + (index >> 2)]! |= code << (2 * (index & 3));
    }
  }
  for (let t = 0; t < 5; t++) {
    const p = at * quads + 3 * t;
    putBits(
      bytes,
      unit * 8 + positionsBit + 8 * t,
      8,
      patterns[p]! + 6 * patterns[p + 1]! + 36 * patterns[p + 2]!,
    );
  }
  putBits(bytes, unit * 8 + positionsBit + 40, 3, patterns[at * quads + 15]!);
  putBits(bytes, unit * 8 + zeroBit, 4, rows.zeroHalves[at]!);
  putBits(bytes, unit * 8 + scaleBit, 16, rows.scales[at]!);
}

function unpackSparseUnit(bytes: Uint8Array, unit: number, rows: QuantizedRows, at: number): void {
  const patterns = rows.patterns!;
  for (let k = 0; k < quads; k++) {
    const pattern =
      k === 15
        ? getBits(bytes, unit * 8 + positionsBit + 40, 3)
        : Math.floor(bytes[unit + 8 + Math.floor(k / 3)]! / 6 ** (k % 3)) % 6;
    patterns[at * quads + k] = pattern;
    const keep = keepPatterns[pattern]!;
    for (let j = 0; j < 2; j++) {
      const index = 2 * k + j;
      rows.codes[at * groupSize + 4 * k + keep[j]!] = (bytes[unit + (index >> 2)]! >> (2 * (index & 3))) & 3;
    }
  }
  rows.zeroHalves[at] = getBits(bytes, unit * 8 + zeroBit, 4);
  rows.scales[at] = getBits(bytes, unit * 8 + scaleBit, 16);
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
