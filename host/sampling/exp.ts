// ln 2 in two parts (fdlibm): the first has 21 trailing zero bits, so k * LN2_HIGH is exact for |k| < 2^20.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
/** 1/13!, 1/12!, ..., 1/1!, each the double nearest to it (the factorials are exact). */
const COEFFICIENTS = Array.from({ length: 13 }, (_, i) => 1 / factorial(13 - i));

const bits = new DataView(new ArrayBuffer(8));

/**
 * e^x in double for x <= 0, from +, -, *, / and an exact power of two only, because `Math.exp` may differ in
 * its last bits between machines and versions and a sampled text must not. x = k ln 2 + r with |r| <= ln 2 / 2,
 * then Taylor's series of e^r to the 13th power by Horner's rule (relative error under 1e-15). Below -708, where
 * the result would be subnormal, and for -Infinity it is 0.
 */
export function expNonPositive(x: number): number {
  if (!(x > -708)) return 0;
  const k = Math.floor(x * Math.LOG2E + 0.5);
  const r = x - k * LN2_HIGH - k * LN2_LOW;
  let sum = 0;
  for (const coefficient of COEFFICIENTS) sum = (sum + coefficient) * r;
  sum += 1;
  bits.setInt32(0, (k + 1023) << 20);
  return sum * bits.getFloat64(0);
}

function factorial(n: number): number {
  return n < 2 ? 1 : n * factorial(n - 1);
}
