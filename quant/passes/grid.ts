import { type WeightFormat, weightFormats } from "../format/weight-layout.ts";

/**
 * The grid of a group: weights s * (c - zh/2) for codes c in 0..maxCode, with the zero-point zh in half steps.
 * These are the grids that a format can store; scales are real numbers here, see round.ts for the stored ones.
 */
export interface GridKind {
  readonly maxCode: number;
  /** Zero-points are multiples of this many half steps. */
  readonly zeroStep: number;
  readonly maxZeroHalf: number;
}

export function gridKind(format: WeightFormat): GridKind {
  const { bits, zeroShift, zeroCodes } = weightFormats[format];
  return { maxCode: 2 ** bits - 1, zeroStep: 1 << zeroShift, maxZeroHalf: (zeroCodes - 1) << zeroShift };
}

/** A grid chosen for a group; reused from group to group. */
export interface GroupGrid {
  /** Step s; 0 where every weight is zero. */
  scale: number;
  /** 2z. */
  zeroHalf: number;
}
