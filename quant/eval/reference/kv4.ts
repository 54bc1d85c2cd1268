import { fromFloat16, toFloat16 } from "./float16.ts";
import { clamp, fl, rne } from "./fround.ts";
import { absmax } from "./quantize.ts";

/** A vector in 4 bits: w_i is about codes_i * f32(scale16) + f32(min16). */
export interface Kv4 {
  /** 0..15, one an element. */
  readonly codes: Uint8Array;
  /** float16 bits. */
  readonly scale16: number;
  readonly min16: number;
  /** False where the vector held an infinity or a NaN; all of it is then 0. */
  readonly finite: boolean;
}

/** docs/numerics.md, "KV4". */
export function kv4(w: Float32Array): Kv4 {
  const codes = new Uint8Array(w.length);
  if (absmax(w) === undefined) return { codes, scale16: 0, min16: 0, finite: false };
  let lo = w[0]!;
  let hi = w[0]!;
  for (const x of w) {
    if (x < lo) lo = x;
    if (x > hi) hi = x;
  }
  const scale16 = toFloat16(fl(fl(hi - lo) / 15));
  const min16 = positiveZero(toFloat16(lo));
  const scale = fromFloat16(scale16);
  if (scale !== 0) {
    const r = fl(1 / scale);
    const min = fromFloat16(min16);
    for (let i = 0; i < w.length; i++) codes[i] = clamp(rne(fl(fl(w[i]! - min) * r)), 0, 15);
  }
  return { codes, scale16, min16, finite: true };
}

function positiveZero(bits: number): number {
  return bits === 0x8000 ? 0 : bits;
}
