import { rowExponentRange, type WeightFormat } from "../format/weight-layout.ts";

/** Bits of m, the integer part of a group's scale. */
const scaleBits = 16;
const largestScale = 2 ** scaleBits - 1;
/**
 * Bits of m that are used for scales that we choose ourselves; the others are zero. Of two-bit weights eight do: what
 * half a unit changes in the row's larger scales is a hundredth of what rounding the weights does, and the
 * emulator's fast engine multiplies bytes.
 */
const chosenScaleBits: Record<WeightFormat, number> = { w2s24: 8, w2: 8, w4: scaleBits, w8: scaleBits };

/** m of scales that we choose for a format is a multiple of this. */
export function scaleUnit(format: WeightFormat): number {
  return 2 ** (scaleBits - chosenScaleBits[format]);
}

/** Scales of a row that span up to this factor keep at least a float16's eleven bits. */
const fullSpan = 2 ** (scaleBits - 11);

const double = new Float64Array(1);
const words = new Uint32Array(double.buffer);

/** floor(log2 x) of a normal positive double, read off its exponent. */
function exponentOf(x: number): number {
  double[0] = x;
  return ((words[1]! >>> 20) & 0x7ff) - 1023;
}

/** What {@link roundScales} made of a row's scales. */
export interface RoundedRow {
  exponent: number;
  /** Whether a scale is so far below the row's largest that it keeps fewer bits than a float16 has, and changed. */
  lostBits: boolean;
}

/**
 * Stores the scales of a row as m * 2^e with one exponent e: the largest takes all 16 bits of m, the others what is
 * left. A scale of 0 stays 0.
 * @param scales `groups` real scales; @param integers receives m, from `at`, multiples of `unit`.
 * @returns false where the largest is above what the exponent's range holds; `out` is then undefined.
 */
export function roundScales(
  scales: Float64Array,
  groups: number,
  integers: Uint16Array,
  at: number,
  unit: number,
  out: RoundedRow,
): boolean {
  let largest = 0;
  for (let g = 0; g < groups; g++) if (scales[g]! > largest) largest = scales[g]!;
  out.lostBits = false;
  out.exponent = 0;
  if (largest === 0) {
    integers.fill(0, at, at + groups);
    return true;
  }
  let exponent = Math.max(rowExponentRange.least, exponentOf(largest) - (scaleBits - 1));
  if (Math.round((largest * 2 ** -exponent) / unit) * unit > largestScale) exponent++;
  if (exponent > rowExponentRange.most) return false;
  const factor = 2 ** -exponent;
  for (let g = 0; g < groups; g++) {
    const exact = scales[g]! * factor;
    const rounded = Math.round(exact / unit) * unit;
    integers[at + g] = rounded;
    if (rounded !== exact && largest > fullSpan * scales[g]!) out.lostBits = true;
  }
  out.exponent = exponent;
  return true;
}
