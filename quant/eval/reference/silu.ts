import { exp24 } from "./exp24.ts";
import { fl } from "./fround.ts";

/** docs/numerics.md, "siluMul" before its quantization: silu(g_i) * u_i. */
export function siluMul(g: Float32Array, u: Float32Array): Float32Array {
  return g.map((value, i) => fl(fl(value * sigmoid(value)) * u[i]!));
}

function sigmoid(g: number): number {
  const e = fl(exp24(-Math.abs(g)) * 2 ** -24);
  const d = fl(1 + e);
  return g >= 0 ? fl(1 / d) : fl(e / d);
}
