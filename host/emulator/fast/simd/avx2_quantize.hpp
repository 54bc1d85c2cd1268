#pragma once

#include "avx2.hpp"
#include "math.hpp"

/// \file
/// AVX2's quantization: four vectors make one of bytes, two one of 16-bit integers.

namespace accllm::emulator::fast {
namespace {

/// clamp(rne(x * inverse), -steps, steps) of eight finite values.
inline __m256i avx2_quantized(const float* values, float inverse, float steps) {
  const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(values), _mm256_set1_ps(inverse));
  const __m256 limited = _mm256_min_ps(_mm256_max_ps(scaled, _mm256_set1_ps(-steps)), _mm256_set1_ps(steps));
  return _mm256_cvtps_epi32(limited);
}

/// The same of sixteen, as 16-bit integers; packing goes by halves of registers: 0 to 3, 8 to 11, 4 to 7, 12
/// to 15.
inline __m256i avx2_quantized_pair(const float* values, float inverse, float steps) {
  return _mm256_packs_epi32(avx2_quantized(values, inverse, steps),
                            avx2_quantized(values + Avx2::lanes, inverse, steps));
}

template <>
struct VectorQuantizer<Avx2, Avx2::SignedBytes, int8_t> {
  static uint32_t run(const float* values, uint32_t count, float inverse, float steps, int8_t* codes) {
    constexpr uint32_t width = 4 * Avx2::lanes;
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    uint32_t i = 0;
    for (; i + width <= count; i += width) {
      const __m256i bytes =
          _mm256_packs_epi16(avx2_quantized_pair(values + i, inverse, steps),
                             avx2_quantized_pair(values + i + 2 * Avx2::lanes, inverse, steps));
      store_as(codes + i, _mm256_permutevar8x32_epi32(bytes, order));
    }
    for (; i + Avx2::lanes <= count; i += Avx2::lanes)
      store_as(codes + i, convert<Avx2::SignedBytes>(Avx2::I32(avx2_quantized(values + i, inverse, steps))));
    return i;
  }
};

template <>
struct VectorQuantizer<Avx2, Avx2::Shorts, int16_t> {
  static uint32_t run(const float* values, uint32_t count, float inverse, float steps, int16_t* codes) {
    constexpr uint32_t width = 2 * Avx2::lanes;
    uint32_t i = 0;
    for (; i + width <= count; i += width)
      store_as(codes + i, _mm256_permute4x64_epi64(avx2_quantized_pair(values + i, inverse, steps), 0xd8));
    for (; i + Avx2::lanes <= count; i += Avx2::lanes)
      store_as(codes + i, convert<Avx2::Shorts>(Avx2::I32(avx2_quantized(values + i, inverse, steps))));
    return i;
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
