#pragma once

#include <cstdint>

/// \file
/// Products of 8-bit activations and 2-bit codes packed into the multiplier of a DSP48E2: 27 bits (A + D) by
/// 18 (B), 48 bits out. Two codes lie 20 bits apart in A and D, two activations 10 bits apart in B:
///
///   (w1 2^20 + w0) (a1 2^10 + a0) = w1 a1 2^30 + w1 a0 2^20 + w0 a1 2^10 + w0 a0
///
/// A product of a code 0 .. 3 and an activation -127 .. 127 lies in -381 .. 381, ten bits with its sign. Each
/// field is short by one where the fields below it sum to a negative number, so unpacking adds back the sign
/// bit beneath it. Four-bit codes (KV4) need twelve bits a product: one activation in B, two codes in A and
/// D.

namespace accel {

/// Four products of two codes and two activations.
struct PackedProducts {
  int32_t w0_a0;
  int32_t w0_a1;
  int32_t w1_a0;
  int32_t w1_a1;
};

/// The ports of a DSP48E2's multiplier, as wide as they are.
struct DspPorts {
  static constexpr int a_bits = 27;
  static constexpr int b_bits = 18;
  static constexpr int p_bits = 48;
};

constexpr int packed_field_bits = 10;
constexpr int packed_nibble_bits = 13;

/// `bits` bits of `value` from bit `low` on, with their sign.
inline int32_t signed_field(int64_t value, int low, int bits) {
#pragma HLS INLINE
  const auto field = static_cast<uint32_t>(static_cast<uint64_t>(value) >> low) & ((1u << bits) - 1u);
  return static_cast<int32_t>(field ^ (1u << (bits - 1))) - (1 << (bits - 1));
}

/// What the DSP computes, with its ports' widths.
inline int64_t dsp_multiply(int32_t a, int32_t d, int32_t b) {
#pragma HLS INLINE
  const int32_t sum = signed_field(int64_t{a} + d, 0, DspPorts::a_bits);
  return int64_t{sum} * signed_field(b, 0, DspPorts::b_bits);
}

/// Codes 0 .. 3 times int8, four products in one multiplication.
inline PackedProducts packed_multiply(uint32_t w0, uint32_t w1, int32_t a0, int32_t a1) {
#pragma HLS INLINE
  const int32_t b = a1 * (1 << packed_field_bits) + a0;
  const int64_t p =
      dsp_multiply(static_cast<int32_t>(w1 << (2 * packed_field_bits)), static_cast<int32_t>(w0), b);
  PackedProducts out;
  out.w0_a0 = signed_field(p, 0, packed_field_bits);
  out.w0_a1 = signed_field(p, packed_field_bits, packed_field_bits) + static_cast<int32_t>((p >> 9) & 1);
  out.w1_a0 = signed_field(p, 2 * packed_field_bits, packed_field_bits) + static_cast<int32_t>((p >> 19) & 1);
  out.w1_a1 = signed_field(p, 3 * packed_field_bits, packed_field_bits) + static_cast<int32_t>((p >> 29) & 1);
  return out;
}

/// Two 4-bit codes times one activation of up to nine bits and a sign (int8 queries, 8-bit probabilities).
struct NibbleProducts {
  int32_t low;
  int32_t high;
};

inline NibbleProducts packed_multiply_nibbles(uint32_t low, uint32_t high, int32_t a) {
#pragma HLS INLINE
  const int64_t p =
      dsp_multiply(static_cast<int32_t>(high << packed_nibble_bits), static_cast<int32_t>(low), a);
  NibbleProducts out;
  out.low = signed_field(p, 0, packed_nibble_bits);
  out.high = signed_field(p, packed_nibble_bits, packed_nibble_bits) + static_cast<int32_t>((p >> 12) & 1);
  return out;
}

/// The array's multipliers in DSP48E2 slices.
struct DspMultiplier {
  static PackedProducts products(uint32_t w0, uint32_t w1, int32_t a0, int32_t a1) {
#pragma HLS INLINE
    return packed_multiply(w0, w1, a0, a1);
  }
  static NibbleProducts nibbles(uint32_t low, uint32_t high, int32_t a) {
#pragma HLS INLINE
    return packed_multiply_nibbles(low, high, a);
  }
};

/// The same in LUTs: a code of two bits selects 0, a, 2a and 3a by one adder.
struct LutMultiplier {
  static int32_t product(uint32_t w, int32_t a) {
#pragma HLS INLINE
    return ((w & 1u) != 0 ? a : 0) + ((w & 2u) != 0 ? 2 * a : 0);
  }
  static PackedProducts products(uint32_t w0, uint32_t w1, int32_t a0, int32_t a1) {
#pragma HLS INLINE
    return {product(w0, a0), product(w0, a1), product(w1, a0), product(w1, a1)};
  }
  static NibbleProducts nibbles(uint32_t low, uint32_t high, int32_t a) {
#pragma HLS INLINE
    return {product(low & 3u, a) + 4 * product(low >> 2, a),
            product(high & 3u, a) + 4 * product(high >> 2, a)};
  }
};

}  // namespace accel
