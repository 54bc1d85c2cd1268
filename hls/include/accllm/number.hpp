#pragma once

#include <cmath>
#include <cstdint>

/// \file
/// Conversions of the number contract (docs/numerics.md, "Conventions").

namespace accel {

union FloatBits {
  float value;
  uint32_t bits;
};

inline uint32_t bits_of(float x) {
#pragma HLS INLINE
  FloatBits f;
  f.value = x;
  return f.bits;
}

inline float float_of(uint32_t bits) {
#pragma HLS INLINE
  FloatBits f;
  f.bits = bits;
  return f.value;
}

/// Bits of |x|; they order like the magnitudes, NaN above infinity above all numbers.
inline uint32_t magnitude_bits(float x) {
#pragma HLS INLINE
  return bits_of(x) & 0x7fffffffu;
}

constexpr uint32_t infinity_bits = 0x7f800000u;

/// 2^e for -126 <= e <= 127.
inline float power_of_two(int32_t e) {
#pragma HLS INLINE
  return float_of(static_cast<uint32_t>(e + 127) << 23);
}

/// floor(log2 |x|) of a normal x.
inline int32_t exponent_of(float x) {
#pragma HLS INLINE
  return static_cast<int32_t>(magnitude_bits(x) >> 23) - 127;
}

/// Nearest integer, ties to even, for |x| < 2^31. Adding 2^23 leaves no fraction bits in a float32.
inline int32_t round_even(float x) {
#pragma HLS INLINE
  constexpr float two23 = 8388608.0f;
  const float magnitude = x < 0.0f ? -x : x;
  const float rounded = magnitude < two23 ? (magnitude + two23) - two23 : magnitude;
  const int32_t n = static_cast<int32_t>(rounded);
  return x < 0.0f ? -n : n;
}

inline float clamp(float x, float low, float high) {
#pragma HLS INLINE
  return x < low ? low : (x > high ? high : x);
}

/// float16 bits to float32, exact.
inline float from_half(uint32_t half) {
#pragma HLS INLINE
  const uint32_t sign = (half & 0x8000u) << 16;
  const uint32_t exponent = (half >> 10) & 31;
  const uint32_t fraction = half & 1023;
  if (exponent == 31) return float_of(sign | infinity_bits | (fraction << 13));
  if (exponent == 0) {
    const float subnormal = static_cast<float>(static_cast<int32_t>(fraction)) * power_of_two(-24);
    return sign ? -subnormal : subnormal;
  }
  return float_of(sign | ((exponent + 112) << 23) | (fraction << 13));
}

/// float32 to float16 bits, to nearest even; saturates at 65504; zero is +0. x is not NaN.
inline uint32_t to_half(float x) {
#pragma HLS INLINE
  const uint32_t sign = (bits_of(x) >> 16) & 0x8000u;
  const uint32_t magnitude = magnitude_bits(x);
  uint32_t half;
  if (magnitude >= 0x477ff000u) {  // 65520, which would round to infinity
    half = 0x7bffu;
  } else if (magnitude >= 0x38800000u) {  // 2^-14, the smallest normal float16
    half = ((magnitude + 0xfffu + ((magnitude >> 13) & 1)) >> 13) - (112u << 10);
  } else {
    half = static_cast<uint32_t>(round_even(float_of(magnitude) * 16777216.0f));
  }
  return half == 0 ? 0 : (sign | half);
}

}  // namespace accel
