import { fl, rne } from "./fround.ts";

const log2e = fl(Math.LOG2E);
const two20 = 2 ** 20;
const two25 = 2 ** 25;
const two26 = 2 ** 26;
const two27 = 2 ** 27;

/** E_i = round(2^(i/256) * 2^26). */
const powers = Float64Array.from({ length: 256 }, (_, i) => Math.round(2 ** (i / 256) * two26));

/** docs/numerics.md, "exp24": 2^24 * e^x for x <= 0 as an integer; 0 for NaN. Doubles hold every product exactly. */
export function exp24(x: number): number {
  const t = fl(x * log2e);
  if (!(t > -25)) return 0;
  const T = rne(t * two20);
  const n = Math.floor(T / two20);
  const f = T - n * two20;
  const i = Math.floor(f / 4096);
  const z = Math.floor(((f % 4096) * 45426 + 512) / 1024);
  const l = z + Math.floor((z * z + two26) / two27);
  const E = powers[i]!;
  const Y = E + Math.floor((E * l + two25) / two26);
  return Math.floor((Y + 2 ** (1 - n)) / 2 ** (2 - n));
}
