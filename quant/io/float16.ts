/** The value of an IEEE 754 binary16 number given by its 16 bits. */
export function float16ToNumber(bits: number): number {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * fraction * 2 ** -24;
  if (exponent === 0x1f) return fraction === 0 ? sign * Number.POSITIVE_INFINITY : Number.NaN;
  return sign * (1024 + fraction) * 2 ** (exponent - 25);
}

let table: Float32Array | undefined;

/** Widens binary16 numbers to float32; exact. `out` has at least `bits.length` elements. */
export function widenFloat16(bits: Uint16Array, out: Float32Array): void {
  table ??= Float32Array.from({ length: 65_536 }, (_, code) => float16ToNumber(code));
  for (let i = 0; i < bits.length; i++) out[i] = table[bits[i]!]!;
}

/** Widens bfloat16 numbers, the upper halves of float32 numbers, to float32; exact. */
export function widenBfloat16(bits: Uint16Array, out: Float32Array): void {
  const words = new Uint32Array(out.buffer, out.byteOffset, bits.length);
  for (let i = 0; i < bits.length; i++) words[i] = bits[i]! << 16;
}
