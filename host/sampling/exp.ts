// ln 2 in two parts (fdlibm): the first has 21 trailing zero bits, so k * LN2_HIGH is exact for |k| < 2^20.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
// 1/2!, 1/3!, ..., 1/13!, each the double nearest to it (the factorials are exact).
const C2 = 1 / 2;
const C3 = 1 / 6;
const C4 = 1 / 24;
const C5 = 1 / 120;
const C6 = 1 / 720;
const C7 = 1 / 5040;
const C8 = 1 / 40_320;
const C9 = 1 / 362_880;
const C10 = 1 / 3_628_800;
const C11 = 1 / 39_916_800;
const C12 = 1 / 479_001_600;
const C13 = 1 / 6_227_020_800;

/** Below this the result would be subnormal. */
const LEAST = -708;
/** 2^-k, exact: halving is. */
const POWERS = new Float64Array(1 + Math.ceil(-LEAST * Math.LOG2E)).fill(1);
for (let k = 1; k < POWERS.length; k++) POWERS[k] = POWERS[k - 1]! / 2;

/**
 * e^x in double for x <= 0, from +, -, *, / and an exact power of two only, because `Math.exp` may differ in
 * its last bits between machines and versions and a sampled text must not. x = k ln 2 + r with |r| <= ln 2 / 2,
 * then Taylor's series of e^r to the 13th power by Horner's rule (relative error under 1e-15). Below -708, where
 * the result would be subnormal, and for -Infinity it is 0.
 */
export function expNonPositive(x: number): number {
  if (!(x > LEAST)) return 0;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  // Written out, because a whole vocabulary goes through here for every token.
  let sum = ((C13 * r + C12) * r + C11) * r + C10;
  sum = (((sum * r + C9) * r + C8) * r + C7) * r + C6;
  sum = ((((sum * r + C5) * r + C4) * r + C3) * r + C2) * r + 1;
  return (sum * r + 1) * POWERS[-k]!;
}
