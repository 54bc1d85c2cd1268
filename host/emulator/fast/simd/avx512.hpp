#pragma once

#include <immintrin.h>

#include "vector.hpp"

/// \file
/// AVX-512 F, BW, DQ, VL and VNNI: sixteen lanes.

namespace accllm::emulator::fast {
namespace {

struct Avx512 : VectorTypes<16> {
  /// The dot product takes unsigned bytes of any size without saturating.
  static constexpr bool wide_dot = true;
  /// Its other operand is signed, so that signed weights need activations made positive by this.
  static constexpr int bias = 128;
  /// Tokens that a pass over two parts of the matrix-matrix product keeps in registers.
  static constexpr int token_tile = 4;

  static U8 quad(const void* four) { return U8(_mm512_set1_epi32(load_as<int32_t>(four))); }
  static U8 chunk(const void* sixteen) {
    return U8(_mm512_broadcast_i32x4(_mm_loadu_si128(static_cast<const __m128i*>(sixteen))));
  }
  static I32 dot(I32 sum, U8 positive, U8 other) {
    return I32(_mm512_dpbusd_epi32(__m512i(sum), __m512i(positive), __m512i(other)));
  }
  static I32 dot_biased(I32 sum, U8 activations, U8 weights) { return dot(sum, activations, weights); }
  static U8 pick(U8 chunk, U8 index) { return U8(_mm512_shuffle_epi8(__m512i(chunk), __m512i(index))); }
  static U8 spread(const uint8_t* bytes) {
    const __m512i index = _mm512_set_epi32(
        0x0f0f0f0f, 0x0e0e0e0e, 0x0d0d0d0d, 0x0c0c0c0c, 0x0b0b0b0b, 0x0a0a0a0a, 0x09090909, 0x08080808,
        0x07070707, 0x06060606, 0x05050505, 0x04040404, 0x03030303, 0x02020202, 0x01010101, 0x00000000);
    return pick(chunk(bytes), U8(index));
  }
  static I32 widen(const uint8_t* bytes) {
    return I32(_mm512_cvtepu8_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(bytes))));
  }
  static I32 widen(const uint16_t* words) {
    return I32(_mm512_cvtepu16_epi32(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(words))));
  }

  /// 64-bit sums of sixteen lanes.
  struct Sum {
    __m512i even = _mm512_setzero_si512();
    __m512i odd = _mm512_setzero_si512();

    /// Adds a * b, lane by lane.
    void add_product(I32 a, I32 b) {
      const __m512i x = __m512i(a);
      const __m512i y = __m512i(b);
      even = _mm512_add_epi64(even, _mm512_mul_epi32(x, y));
      odd = _mm512_add_epi64(odd, _mm512_mul_epi32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(y, 32)));
    }
    void store(int64_t* lanes) const {
      const __m512i low = _mm512_set_epi64(11, 3, 10, 2, 9, 1, 8, 0);
      const __m512i high = _mm512_set_epi64(15, 7, 14, 6, 13, 5, 12, 4);
      _mm512_storeu_si512(lanes, _mm512_permutex2var_epi64(even, low, odd));
      _mm512_storeu_si512(lanes + 8, _mm512_permutex2var_epi64(even, high, odd));
    }
  };

  /// Adds the products of the lanes' 16-bit halves.
  static I32 dot_pairs(I32 sum, I32 a, I32 b) {
    return I32(_mm512_dpwssd_epi32(__m512i(sum), __m512i(a), __m512i(b)));
  }
  /// float(256 * high + low), one rounding.
  static F32 wide_to_float(I32 high, I32 low) {
    const __m256 a =
        half_to_float(_mm512_castsi512_si256(__m512i(high)), _mm512_castsi512_si256(__m512i(low)));
    const __m256 b = half_to_float(_mm512_extracti64x4_epi64(__m512i(high), 1),
                                   _mm512_extracti64x4_epi64(__m512i(low), 1));
    return F32(_mm512_insertf32x8(_mm512_castps256_ps512(a), b, 1));
  }
  /// Lane i of the result is lane i ^ distance.
  template <int distance>
  static F32 swap_lanes(F32 x) {
    const __m512i lane = _mm512_set_epi32(15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0);
    return F32(_mm512_permutexvar_ps(_mm512_xor_si512(lane, _mm512_set1_epi32(distance)), __m512(x)));
  }

  static I32 round(F32 x) { return I32(_mm512_cvtps_epi32(__m512(x))); }
  static F32 to_float(I32 x) { return F32(_mm512_cvtepi32_ps(__m512i(x))); }
  static I32 gather(const uint32_t* table, I32 index) {
    return I32(_mm512_i32gather_epi32(__m512i(index), table, 4));
  }
  /// (a * b + rounding) >> shift of unsigned lanes whose result fits 32 bits.
  template <int shift>
  static I32 multiply_shift(I32 a, I32 b, uint64_t rounding) {
    const __m512i x = __m512i(a);
    const __m512i y = __m512i(b);
    const __m512i r = _mm512_set1_epi64(static_cast<int64_t>(rounding));
    const __m512i even = _mm512_srli_epi64(_mm512_add_epi64(_mm512_mul_epu32(x, y), r), shift);
    const __m512i odd_product = _mm512_mul_epu32(_mm512_srli_epi64(x, 32), _mm512_srli_epi64(y, 32));
    const __m512i odd = _mm512_srli_epi64(_mm512_add_epi64(odd_product, r), shift);
    return I32(_mm512_mask_blend_epi32(0xaaaa, even, _mm512_slli_epi64(odd, 32)));
  }

 private:
  static __m256 half_to_float(__m256i high, __m256i low) {
    const __m512d sum = _mm512_add_pd(_mm512_mul_pd(_mm512_cvtepi32_pd(high), _mm512_set1_pd(256.0)),
                                      _mm512_cvtepi32_pd(low));
    return _mm512_cvtpd_ps(sum);
  }
};

/// Keeps a loop's sum in one register, where GCC copies it about. (There is no such register where tests have
/// the instructions in plain C++.)
inline __m512i in_place(__m512i sum) {
#ifdef __AVX512F__
  asm("" : "+v"(sum));
#endif
  return sum;
}

}  // namespace
}  // namespace accllm::emulator::fast
