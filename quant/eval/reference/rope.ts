import { fl } from "./fround.ts";

/** cos and sin of one position, headDim/2 of each. */
export interface Rotation {
  readonly cos: Float32Array;
  readonly sin: Float32Array;
}

/** Angles position * frequency in double, their cos and sin rounded to float32. */
export function rotationAt(position: number, frequencies: Float64Array): Rotation {
  return {
    cos: Float32Array.from(frequencies, (f) => Math.cos(position * f)),
    sin: Float32Array.from(frequencies, (f) => Math.sin(position * f)),
  };
}

/** docs/numerics.md, "RoPE": element i turns with element i + D/2. */
export function rope(v: Float32Array, { cos, sin }: Rotation): Float32Array {
  const half = v.length / 2;
  const out = new Float32Array(v.length);
  for (let i = 0; i < half; i++) {
    const a = v[i]!;
    const b = v[i + half]!;
    out[i] = fl(fl(a * cos[i]!) - fl(b * sin[i]!));
    out[i + half] = fl(fl(b * cos[i]!) + fl(a * sin[i]!));
  }
  return out;
}

/** cos and sin over distances in steps of 1/32767: [distance][headDim/2]. */
export interface DistanceTable {
  readonly cos: Int16Array;
  readonly sin: Int16Array;
}

/** @param distances rows of the table: sinks + window. */
export function distanceTable(distances: number, frequencies: Float64Array): DistanceTable {
  const half = frequencies.length;
  const cos = new Int16Array(distances * half);
  const sin = new Int16Array(distances * half);
  for (let d = 0; d < distances; d++) {
    for (let i = 0; i < half; i++) {
      cos[d * half + i] = Math.round(32767 * Math.cos(d * frequencies[i]!));
      sin[d * half + i] = Math.round(32767 * Math.sin(d * frequencies[i]!));
    }
  }
  return { cos, sin };
}
