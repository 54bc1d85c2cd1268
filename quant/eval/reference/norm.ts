import { fl } from "./fround.ts";

const lanes = 16;

/**
 * docs/numerics.md, "norm": RMSNorm before its quantization.
 * @param epsilon rounded to float32 here.
 */
export function rmsNorm(x: Float32Array, gain: Float32Array, epsilon: number): Float32Array {
  const sums = new Float32Array(lanes);
  for (let i = 0; i < x.length; i++) sums[i % lanes] = fl(sums[i % lanes]! + fl(x[i]! * x[i]!));
  for (let width = lanes / 2; width >= 1; width /= 2) {
    for (let l = 0; l < width; l++) sums[l] = fl(sums[l]! + sums[l + width]!);
  }
  const mean = fl(sums[0]! / fl(x.length));
  const r = fl(1 / fl(Math.sqrt(fl(mean + fl(epsilon)))));
  return x.map((value, i) => fl(fl(value * r) * gain[i]!));
}
