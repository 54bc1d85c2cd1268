const float = new Float32Array(1);
const word = new Uint32Array(float.buffer);

/** Bits of the float16 nearest to a float32, ties to even; infinity where it is out of range. */
export function toFloat16Bits(value: number): number {
  float[0] = value;
  const bits = word[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const magnitude = bits & 0x7fffffff;
  if (magnitude >= 0x7f800000) return sign | (magnitude > 0x7f800000 ? 0x7e00 : 0x7c00);
  // 65520 is half way from the largest float16 to the next power of two.
  if (magnitude >= 0x477ff000) return sign | 0x7c00;
  if (magnitude < 0x38800000) {
    // Below 2^-14: subnormals count steps of 2^-24. Adding 0.5 in float32 leaves exactly those in the low bits.
    float[0] = Math.fround(Math.abs(value)) + 0.5;
    return sign | (word[0]! - 0x3f000000);
  }
  // Thirteen bits are dropped; a carry out of the mantissa moves the exponent on, as it should.
  const odd = (magnitude >>> 13) & 1;
  return sign | ((magnitude - 0x38000000 + 0xfff + odd) >>> 13);
}

/**
 * Narrows float32 to float16 bits.
 * @param out at least `values.length` elements.
 * @returns the index of the first value that float16 cannot hold (out of range or not a number), or -1.
 */
export function floatsToFloat16(values: Float32Array, out: Uint16Array): number {
  for (let i = 0; i < values.length; i++) {
    const bits = toFloat16Bits(values[i]!);
    if ((bits & 0x7c00) === 0x7c00) return i;
    out[i] = bits;
  }
  return -1;
}
