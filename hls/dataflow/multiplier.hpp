#pragma once

#include <cstdint>

/// \file
/// Products packed into the multiplier of a DSP48E2: 27 bits (A + D) by 18 (B), 48 bits out.
///
/// Codes of two bits by 8-bit activations, four products: two codes lie 20 bits apart in A and D, two
/// activations 10 bits apart in B:
///
///   (w1 2^20 + w0) (a1 2^10 + a0) = w1 a1 2^30 + w1 a0 2^20 + w0 a1 2^10 + w0 a0
///
/// A product of a code 0 .. 3 and an activation -127 .. 127 lies in -381 .. 381, ten bits with its sign.
///
/// Codes of four bits (the cache), two products: two codes 18 bits apart in A and D, one factor in B.
/// Eighteen bits hold a sum of 64 products with int8 or of 16 products with eight bits, so that sums form
/// while packed. A code w1 of two bits is the four-bit code w1 2^2, so both ways have the same wires to the
/// slice.
///
/// Each field is short by one where the fields below it sum to a negative number, so unpacking adds back the
/// sign bit beneath it.

namespace accel {

/// The ports of a DSP48E2's multiplier, as wide as they are.
struct DspPorts {
  static constexpr int a_bits = 27;
  static constexpr int b_bits = 18;
  static constexpr int p_bits = 48;
};

constexpr int packed_field_bits = 10;
constexpr int packed_nibble_bits = 18;

/// What one slice gets; its result is (a + d) b.
struct DspOperands {
  int32_t a;
  int32_t d;
  int32_t b;
};

/// `bits` bits of `value` from bit `low` on, with their sign.
inline int32_t signed_field(int64_t value, int low, int bits) {
#pragma HLS INLINE
  const auto field = static_cast<uint32_t>(static_cast<uint64_t>(value) >> low) & ((1u << bits) - 1u);
  return static_cast<int32_t>(field ^ (1u << (bits - 1))) - (1 << (bits - 1));
}

/// The same where a field beneath it may have borrowed from it.
inline int32_t field_above(int64_t value, int low, int bits) {
#pragma HLS INLINE
  return signed_field(value, low, bits) + static_cast<int32_t>((value >> (low - 1)) & 1);
}

/// What the slice computes, with its ports' widths.
inline int64_t dsp_multiply(const DspOperands& in) {
#pragma HLS INLINE
  const int32_t sum = signed_field(int64_t{in.a} + in.d, 0, DspPorts::a_bits);
  const int64_t product = int64_t{sum} * signed_field(in.b, 0, DspPorts::b_bits);
#pragma HLS BIND_OP variable = product op = mul impl = dsp
  return product;
}

/// Four products of two codes and two activations.
struct PackedProducts {
  int32_t w0_a0;
  int32_t w0_a1;
  int32_t w1_a0;
  int32_t w1_a1;
};

/// Codes 0 .. 15 and a factor of up to nine bits and a sign (int8 queries, 8-bit probabilities) on the ports.
inline DspOperands pack_nibbles(uint32_t low, uint32_t high, int32_t factor) {
#pragma HLS INLINE
  return {static_cast<int32_t>(high << packed_nibble_bits), static_cast<int32_t>(low), factor};
}

/// Codes 0 .. 3 and activations -127 .. 127 on the ports.
inline DspOperands pack_codes(uint32_t w0, uint32_t w1, int32_t a0, int32_t a1) {
#pragma HLS INLINE
  return pack_nibbles(w0, w1 << 2, a1 * (1 << packed_field_bits) + a0);
}
static_assert(2 * packed_field_bits == packed_nibble_bits + 2,
              "two-bit codes lie at the top of four-bit ones");

inline PackedProducts unpack_codes(int64_t p) {
#pragma HLS INLINE
  return {signed_field(p, 0, packed_field_bits), field_above(p, packed_field_bits, packed_field_bits),
          field_above(p, 2 * packed_field_bits, packed_field_bits),
          field_above(p, 3 * packed_field_bits, packed_field_bits)};
}

/// Sums of products of two 4-bit codes with their factors.
struct NibbleProducts {
  int32_t low;
  int32_t high;
};

/// Of one result or of a sum of results.
inline NibbleProducts unpack_nibbles(int64_t p) {
#pragma HLS INLINE
  return {signed_field(p, 0, packed_nibble_bits), field_above(p, packed_nibble_bits, packed_nibble_bits)};
}

/// Codes 0 .. 3 times int8 in DSP48E2 slices.
struct DspMultiplier {
  static PackedProducts products(uint32_t w0, uint32_t w1, int32_t a0, int32_t a1) {
#pragma HLS INLINE
    return unpack_codes(dsp_multiply(pack_codes(w0, w1, a0, a1)));
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
};

}  // namespace accel
