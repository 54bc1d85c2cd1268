/**
 * Float32 arithmetic for the reference. `Math.fround` of one double operation (+ - * / sqrt) on float32 operands is
 * that operation in IEEE-754 float32, because a double holds more than twice float32's bits plus two.
 */
export const fl = Math.fround;

/** The integer nearest to x, ties to even; infinities stay as they are. */
export function rne(x: number): number {
  const below = Math.floor(x);
  const rest = x - below;
  return rest > 0.5 || (rest === 0.5 && below % 2 !== 0) ? below + 1 : below;
}

export function clamp(x: number, least: number, most: number): number {
  return Math.min(Math.max(x, least), most);
}

const word = new Uint32Array(1);
const number = new Float32Array(word.buffer);

/** The bit pattern of a float32. */
export function bitsOf(x: number): number {
  number[0] = x;
  return word[0]!;
}

/** floor(log2 |x|) of a normal float32, read off its biased exponent. */
export function exponent(x: number): number {
  return ((bitsOf(x) >>> 23) & 0xff) - 127;
}

const powers = Float64Array.from({ length: 512 }, (_, i) => 2 ** (i - 256));

/** 2^n as a double, for |n| < 256. */
export function powerOfTwo(n: number): number {
  return powers[n + 256]!;
}
