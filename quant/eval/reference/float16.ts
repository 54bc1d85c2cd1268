import { exponent, powerOfTwo, rne } from "./fround.ts";

const largest = 0x7bff;

/** f16(x): bits of the float16 nearest to x, ties to even; what would become infinite becomes 65504. */
export function toFloat16(x: number): number {
  const sign = x < 0 || Object.is(x, -0) ? 0x8000 : 0;
  const magnitude = Math.abs(x);
  if (magnitude >= 65504) return sign | largest;
  // Subnormals count steps of 2^-24; a count of 1024 is the smallest normal number's pattern as it stands.
  if (magnitude < 2 ** -14) return sign | rne(magnitude * 2 ** 24);
  const e = exponent(magnitude);
  // A mantissa that rounds up to 2048 carries into the exponent field.
  return sign | ((e + 15) * 1024 + rne(magnitude * powerOfTwo(10 - e)) - 1024);
}

/** f32(h): the exact value of float16 bits. */
export function fromFloat16(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const e = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (e === 0) return sign * fraction * 2 ** -24;
  if (e === 31) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * powerOfTwo(e - 25);
}
