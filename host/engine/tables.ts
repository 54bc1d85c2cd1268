import { tokenFields } from "../../quant/format/command.ts";
import { beatBytes } from "../../quant/format/limits.ts";
import type { DistanceTable } from "./plan.ts";

/**
 * Writes the distance table that key centering reads: for every distance d its headDim/2 cosines, then sines, of
 * d * frequency_i in double, times 32767, rounded to int16; rows padded with zeros to whole beats.
 * @param target the whole table
 * @param frequencies radians per position, headDim/2 of them
 */
export function writeDistances(target: Uint8Array, table: DistanceTable, frequencies: Float64Array): void {
  target.fill(0);
  const view = new DataView(target.buffer, target.byteOffset, target.byteLength);
  const half = frequencies.length;
  for (let distance = 0; distance < table.rows; distance++) {
    const row = distance * table.rowBeats * beatBytes;
    for (let i = 0; i < half; i++) {
      const angle = distance * frequencies[i]!;
      view.setInt16(row + 2 * i, Math.round(32767 * Math.cos(angle)), true);
      view.setInt16(row + 2 * (half + i), Math.round(32767 * Math.sin(angle)), true);
    }
  }
}

export interface TokenBlock {
  readonly tokens: readonly number[];
  /** Position of the first token. */
  readonly position: number;
}

/**
 * Writes the token records of a block: token, position, the sinks' query position min(p, sinks + window - 1), then
 * cos and sin at both positions, computed in double and rounded to float32.
 * @param target from the first record on
 * @param stride bytes from one record to the next
 */
export function writeTokenRecords(
  target: Uint8Array,
  stride: number,
  { tokens, position }: TokenBlock,
  lastSinkPosition: number,
  frequencies: Float64Array,
): void {
  for (const [t, token] of tokens.entries()) {
    const record = new DataView(target.buffer, target.byteOffset + t * stride, stride);
    writeAngles(record, position + t, lastSinkPosition, frequencies);
    writeToken(record, token, position + t, lastSinkPosition);
  }
}

/** A token record's words. */
export function writeToken(
  record: DataView,
  token: number,
  position: number,
  lastSinkPosition: number,
): void {
  record.setUint32(4 * tokenFields.token, token, true);
  record.setUint32(4 * tokenFields.position, position, true);
  record.setUint32(4 * tokenFields.sinkPosition, Math.min(position, lastSinkPosition), true);
}

/** A token record's tables, which do not depend on the token. */
export function writeAngles(
  record: DataView,
  position: number,
  lastSinkPosition: number,
  frequencies: Float64Array,
): void {
  writeAnglesAt(record, beatBytes, position, frequencies);
  const second = beatBytes + 8 * frequencies.length;
  writeAnglesAt(record, second, Math.min(position, lastSinkPosition), frequencies);
}

/** Cosines from byte `at` on, then sines. */
function writeAnglesAt(record: DataView, at: number, position: number, frequencies: Float64Array): void {
  const half = frequencies.length;
  for (let i = 0; i < half; i++) {
    const angle = position * frequencies[i]!;
    record.setFloat32(at + 4 * i, Math.cos(angle), true);
    record.setFloat32(at + 4 * (half + i), Math.sin(angle), true);
  }
}
