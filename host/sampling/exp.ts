// ln 2 in two parts (fdlibm): the first has 21 trailing zero bits, so k * LN2_HIGH is exact for |k| < 2^20.
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;

/** Steps of the table between powers of two; dividing by them is exact. */
const STEPS = 256;
const PER_STEP = STEPS * Math.LOG2E;
const STEP_HIGH = LN2_HIGH / STEPS;
const STEP_LOW = LN2_LOW / STEPS;

/** Below this the result would be subnormal. */
const LEAST = -708;
/** 2^-k, exact: halving is. */
const POWERS = new Float64Array(1 + Math.ceil(-LEAST * Math.LOG2E)).fill(1);
for (let k = 1; k < POWERS.length; k++) POWERS[k] = POWERS[k - 1]! / 2;

/** 2^(-j/256): Taylor's series to the 17th power by Horner's rule, around 1 and, for the lower half, around 1/2. */
export const ROOTS = Float64Array.from({ length: STEPS }, (_, j) => {
  const upper = j <= STEPS / 2;
  const x = ((upper ? 0 : STEPS) - j) * STEP_HIGH + ((upper ? 0 : STEPS) - j) * STEP_LOW;
  let sum = 1;
  for (let n = 17; n > 0; n--) sum = (sum * x) / n + 1;
  return upper ? sum : sum / 2;
});

/**
 * e^x in double for x <= 0, from +, -, *, / and an exact power of two only, because `Math.exp` may differ in
 * its last bits between machines and versions and a sampled text must not. x = -m ln 2 / 256 + r with
 * |r| <= ln 2 / 512: a power of two, a root from the table, and Taylor's series of e^r to the 4th power by Horner's
 * rule (relative error under 1e-15). Below -708, where the result would be subnormal, and for -Infinity it is 0.
 */
export function expNonPositive(x: number): number {
  if (!(x > LEAST)) return 0;
  // A whole vocabulary goes through here for every token.
  const m = (0.5 - x * PER_STEP) | 0;
  const r = x + m * STEP_HIGH + m * STEP_LOW;
  const root = ROOTS[m & (STEPS - 1)]!;
  return (root + root * (r * (r * (r * (r * (1 / 24) + 1 / 6) + 1 / 2) + 1))) * POWERS[m >> 8]!;
}
