import { beatBytes, groupSize, groupsPerScaleBeat, tileRows, tilesPerExponentBeat } from "./limits.ts";

/**
 * Where each weight lies (docs/numerics.md, "Weight layout"). A matrix is cut into tiles of four rows; tile t goes
 * to channel t mod C as that channel's tile t div C. In a channel, each run of sixteen tiles starts with one beat
 * of row exponents. A tile runs along its groups of 64 inputs: one beat a group in 2:4, one beat a 2-bit plane and
 * group in the dense formats, with a beat of scales in front of every six groups.
 */
export const weightFormats = {
  w2s24: { code: 0, bits: 2, planes: 1, sparse: true, zeroShift: 0, zeroCodes: 16 },
  w2: { code: 1, bits: 2, planes: 1, sparse: false, zeroShift: 0, zeroCodes: 32 },
  w4: { code: 2, bits: 4, planes: 2, sparse: false, zeroShift: 0, zeroCodes: 32 },
  /** Zero-points of W8 come in steps of 8 codes (16 half steps): 128 is exact, and 5 bits are enough. */
  w8: { code: 3, bits: 8, planes: 4, sparse: false, zeroShift: 4, zeroCodes: 32 },
} as const;
export type WeightFormat = keyof typeof weightFormats;

/** All formats, fewest bits first. */
export const formatsByBits = ["w2s24", "w2", "w4", "w8"] as const satisfies readonly WeightFormat[];

/** Bounds on a row's exponent e: a row scale is m * 2^e with m below 2^16. */
export const rowExponentRange = { least: -56, most: 40 } as const;

/** The six ways to keep two of four, as [first, second] position; the index is the code of the image. */
export const keepPatterns = [
  [0, 1],
  [0, 2],
  [0, 3],
  [1, 2],
  [1, 3],
  [2, 3],
] as const;

export interface MatrixLayout {
  readonly format: WeightFormat;
  readonly rows: number;
  readonly columns: number;
  readonly channels: number;
  readonly groups: number;
  /** Tiles in every channel; the last ones may be padding. */
  readonly tiles: number;
  readonly tileBeats: number;
  /** Beats in every channel. */
  readonly beats: number;
}

export function matrixLayout(
  format: WeightFormat,
  rows: number,
  columns: number,
  channels: number,
): MatrixLayout {
  const { planes, sparse } = weightFormats[format];
  const groups = Math.ceil(columns / groupSize);
  const tiles = Math.ceil(Math.ceil(rows / tileRows) / channels);
  const tileBeats = sparse ? groups : groups * planes + Math.ceil(groups / groupsPerScaleBeat);
  const beats = tiles * tileBeats + Math.ceil(tiles / tilesPerExponentBeat);
  return { format, rows, columns, channels, groups, tiles, tileBeats, beats };
}

/** Beat (within the tensor, within its channel) of the exponents that tile `tile` of a channel shares. */
export function exponentBeat(layout: MatrixLayout, tile: number): number {
  const run = Math.floor(tile / tilesPerExponentBeat);
  return run * (tilesPerExponentBeat * layout.tileBeats + 1);
}

/** First beat of tile `tile` of a channel. */
export function tileBeat(layout: MatrixLayout, tile: number): number {
  return exponentBeat(layout, tile) + 1 + (tile % tilesPerExponentBeat) * layout.tileBeats;
}

/** Beat within a tile of the scales of group `group` (dense formats). */
export function scaleBeat(layout: MatrixLayout, group: number): number {
  const { planes } = weightFormats[layout.format];
  return Math.floor(group / groupsPerScaleBeat) * (groupsPerScaleBeat * planes + 1);
}

/** Beat within a tile of plane `plane` of group `group`. */
export function codeBeat(layout: MatrixLayout, group: number, plane: number): number {
  const { planes, sparse } = weightFormats[layout.format];
  if (sparse) return group;
  return scaleBeat(layout, group) + 1 + (group % groupsPerScaleBeat) * planes + plane;
}

/** Stored bits per weight of the matrix, padding, scales, positions and exponents counted. */
export function storedBitsPerWeight(layout: MatrixLayout): number {
  return (layout.beats * layout.channels * beatBytes * 8) / (layout.rows * layout.columns);
}
