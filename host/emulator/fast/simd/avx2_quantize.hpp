#pragma once

#include "avx2.hpp"
#include "math.hpp"

/// \file
/// AVX2's quantization to bytes: four vectors make one.

namespace accllm::emulator::fast {
namespace {

template <>
struct VectorQuantizer<Avx2, Avx2::SignedBytes, int8_t> {
  static uint32_t run(const float* values, uint32_t count, float inverse, float steps, int8_t* codes) {
    constexpr uint32_t width = 4 * Avx2::lanes;
    uint32_t i = 0;
    for (; i + width <= count; i += width) {
      const __m256i low = _mm256_packs_epi32(integers(values + i, inverse, steps),
                                             integers(values + i + Avx2::lanes, inverse, steps));
      const __m256i high = _mm256_packs_epi32(integers(values + i + 2 * Avx2::lanes, inverse, steps),
                                              integers(values + i + 3 * Avx2::lanes, inverse, steps));
      // Packing goes by halves of registers.
      const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
      store_as(codes + i, _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order));
    }
    for (; i + Avx2::lanes <= count; i += Avx2::lanes)
      store_as(codes + i, convert<Avx2::SignedBytes>(Avx2::I32(integers(values + i, inverse, steps))));
    return i;
  }

 private:
  /// clamp(rne(x * inverse), -steps, steps) of finite values.
  static __m256i integers(const float* values, float inverse, float steps) {
    const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(values), _mm256_set1_ps(inverse));
    const __m256 limited =
        _mm256_min_ps(_mm256_max_ps(scaled, _mm256_set1_ps(-steps)), _mm256_set1_ps(steps));
    return _mm256_cvtps_epi32(limited);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
