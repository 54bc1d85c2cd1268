import { bitsOf, clamp, fl, rne } from "./fround.ts";

const nonFinitePattern = 0x7f800000;
const zeroThreshold = 2 ** -60;

/**
 * docs/numerics.md, "absmax": the largest |v_i| by bit pattern, so that NaN exceeds infinity exceeds all numbers.
 * Undefined where the vector holds an infinity or a NaN.
 */
export function absmax(v: Float32Array): number | undefined {
  let largest = 0;
  for (const x of v) {
    const magnitude = Math.abs(x);
    if (magnitude > largest) largest = magnitude;
    else if (Number.isNaN(magnitude)) return undefined;
  }
  return bitsOf(largest) >= nonFinitePattern ? undefined : largest;
}

/** Integer codes of a vector with one float32 scale: v_i is about codes_i * scale. */
export interface Quantized<Codes extends Int8Array | Int16Array> {
  readonly codes: Codes;
  readonly scale: number;
  /** False where v held an infinity or a NaN; codes and scale are then 0. */
  readonly finite: boolean;
}

/** quantize(v, 127): absmax/127 symmetric. */
export function quantize8(v: Float32Array): Quantized<Int8Array> {
  return quantize(v, 127, new Int8Array(v.length));
}

/** quantize(v, 32767). */
export function quantize16(v: Float32Array): Quantized<Int16Array> {
  return quantize(v, 32767, new Int16Array(v.length));
}

function quantize<Codes extends Int8Array | Int16Array>(
  v: Float32Array,
  most: number,
  codes: Codes,
): Quantized<Codes> {
  const m = absmax(v);
  if (m === undefined) return { codes, scale: 0, finite: false };
  if (m < zeroThreshold) return { codes, scale: 0, finite: true };
  const inverse = fl(most / m);
  for (let i = 0; i < v.length; i++) codes[i] = clamp(rne(fl(v[i]! * inverse)), -most, most);
  return { codes, scale: fl(m / most), finite: true };
}
