import { fl } from "./fround.ts";

/** Block size h of the rotation: the largest power of two that divides the head size. */
export function hadamardBlock(headDim: number): number {
  return headDim & -headDim;
}

/**
 * docs/numerics.md, "Hadamard": the butterflies, not normalized.
 * @param block h; 1 leaves v as it is.
 */
export function hadamard(v: Float32Array, block: number): Float32Array {
  const out = v.slice();
  for (let len = 1; len < block; len *= 2) {
    for (let i = 0; i < out.length; i++) {
      if (i & len) continue;
      const a = out[i]!;
      const b = out[i + len]!;
      out[i] = fl(a + b);
      out[i + len] = fl(a - b);
    }
  }
  return out;
}
