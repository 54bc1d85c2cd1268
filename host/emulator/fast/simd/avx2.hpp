#pragma once

#include <immintrin.h>

#include "vector.hpp"

/// \file
/// AVX2: eight lanes. Its byte products add up in pairs of 16 bits that saturate, so one factor stays
/// below 32.

namespace accllm::emulator::fast {
namespace {

struct Avx2 : VectorTypes<8> {
  static constexpr bool wide_dot = false;
  static constexpr int bias = 128;
  /// Tokens that a pass over two parts of the matrix-matrix product keeps in registers.
  static constexpr int token_tile = 4;

  static U8 quad(const void* four) { return U8(_mm256_set1_epi32(load_as<int32_t>(four))); }
  static U8 chunk(const void* sixteen) {
    return U8(_mm256_broadcastsi128_si256(_mm_loadu_si128(static_cast<const __m128i*>(sixteen))));
  }
  static I32 dot(I32 sum, U8 positive, U8 other) {
    const __m256i pairs = _mm256_maddubs_epi16(__m256i(positive), __m256i(other));
    return sum + I32(_mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static I32 dot_biased(I32 sum, U8 activations, U8 weights) { return dot(sum, activations, weights); }
  static U8 pick(U8 chunk, U8 index) { return U8(_mm256_shuffle_epi8(__m256i(chunk), __m256i(index))); }
  static U8 spread(const uint8_t* bytes) {
    const __m128i eight = _mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes));
    const __m256i index = _mm256_set_epi32(0x07070707, 0x06060606, 0x05050505, 0x04040404, 0x03030303,
                                           0x02020202, 0x01010101, 0x00000000);
    return pick(U8(_mm256_broadcastsi128_si256(eight)), U8(index));
  }
  static I32 widen(const uint8_t* bytes) {
    return I32(_mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(bytes))));
  }
  static I32 widen(const uint16_t* words) {
    return I32(_mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(words))));
  }

  struct Sum {
    __m256i even = _mm256_setzero_si256();
    __m256i odd = _mm256_setzero_si256();

    void add_product(I32 a, I32 b) {
      const __m256i x = __m256i(a);
      const __m256i y = __m256i(b);
      even = _mm256_add_epi64(even, _mm256_mul_epi32(x, y));
      odd = _mm256_add_epi64(odd, _mm256_mul_epi32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32)));
    }
    void store(int64_t* lanes) const {
      const __m256i low = _mm256_unpacklo_epi64(even, odd);
      const __m256i high = _mm256_unpackhi_epi64(even, odd);
      auto* out = reinterpret_cast<__m256i*>(lanes);
      _mm256_storeu_si256(out, _mm256_permute2x128_si256(low, high, 0x20));
      _mm256_storeu_si256(out + 1, _mm256_permute2x128_si256(low, high, 0x31));
    }
  };

  static I32 dot_pairs(I32 sum, I32 a, I32 b) { return sum + I32(_mm256_madd_epi16(__m256i(a), __m256i(b))); }
  static F32 wide_to_float(I32 high, I32 low) {
    const __m128 a =
        half_to_float(_mm256_castsi256_si128(__m256i(high)), _mm256_castsi256_si128(__m256i(low)));
    const __m128 b =
        half_to_float(_mm256_extracti128_si256(__m256i(high), 1), _mm256_extracti128_si256(__m256i(low), 1));
    return F32(_mm256_insertf128_ps(_mm256_castps128_ps256(a), b, 1));
  }
  template <int distance>
  static F32 swap_lanes(F32 x) {
    static_assert(distance == 1 || distance == 2 || distance == 4, "eight lanes");
    // A shuffle of all eight lanes would take twice as long.
    if constexpr (distance == 4) return F32(_mm256_permute2f128_ps(__m256(x), __m256(x), 1));
    return F32(_mm256_permute_ps(__m256(x), distance == 1 ? 0xb1 : 0x4e));
  }

  static F32 larger(F32 x, F32 y) { return F32(_mm256_max_ps(__m256(x), __m256(y))); }
  static I32 round(F32 x) { return I32(_mm256_cvtps_epi32(__m256(x))); }
  static F32 to_float(I32 x) { return F32(_mm256_cvtepi32_ps(__m256i(x))); }
  static I32 gather(const uint32_t* table, I32 index) {
    return I32(_mm256_i32gather_epi32(reinterpret_cast<const int*>(table), __m256i(index), 4));
  }
  template <int shift>
  static I32 multiply_shift(I32 a, I32 b, uint64_t rounding) {
    const __m256i x = __m256i(a);
    const __m256i y = __m256i(b);
    const __m256i r = _mm256_set1_epi64x(static_cast<int64_t>(rounding));
    const __m256i even = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epu32(x, y), r), shift);
    const __m256i odd_product = _mm256_mul_epu32(_mm256_srli_epi64(x, 32), _mm256_srli_epi64(y, 32));
    const __m256i odd = _mm256_slli_epi64(_mm256_add_epi64(odd_product, r), 32 - shift);
    return I32(_mm256_blend_epi32(even, odd, 0xaa));
  }

 private:
  static __m128 half_to_float(__m128i high, __m128i low) {
    const __m256d sum = _mm256_add_pd(_mm256_mul_pd(_mm256_cvtepi32_pd(high), _mm256_set1_pd(256.0)),
                                      _mm256_cvtepi32_pd(low));
    return _mm256_cvtpd_ps(sum);
  }
};

/// A load that is done once, not with each of its uses.
inline __m256i load_once(const void* from) {
  __m256i value = load_as<__m256i>(from);
  asm("" : "+x"(value));
  return value;
}

}  // namespace
}  // namespace accllm::emulator::fast
