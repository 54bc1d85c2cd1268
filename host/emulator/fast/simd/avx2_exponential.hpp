#pragma once

#include "avx2.hpp"
#include "math.hpp"

/// \file
/// AVX2's exponential: a gather of eight takes as long as all the rest of it, so that the table is multiplied
/// from two of sixteen entries, which shuffles look up a byte of 32 lanes at a time.

namespace accllm::emulator::fast {
namespace {

/// E_(16 a + b) = (coarse[a] * fine[b] + 2^35) >> 36. Found by search near 2^31 * 1.0112 * 2^(a / 16) and
/// 2^31 / 1.0112 * 2^(b / 256).
constexpr uint32_t exponential_coarse[16] = {
    0x816f7e4e, 0x872a86ea, 0x8d268303, 0x936652c2, 0x99ecf6e9, 0xa0bd9242, 0xa7db6b21, 0xaf49ecfc,
    0xb70caa05, 0xbf275ced, 0xc79deaa7, 0xd0746449, 0xd9af0903, 0xe3524827, 0xed62c347, 0xf7e55079};
constexpr uint32_t exponential_fine[16] = {
    0x7e949515, 0x7eec70a9, 0x7f448939, 0x7f9cdeee, 0x7ff571f3, 0x804e4273, 0x80a75097, 0x81009c8b,
    0x815a267a, 0x81b3ee8f, 0x820df4f5, 0x826839d7, 0x82c2bd61, 0x831d7fbe, 0x83788119, 0x83d3c19f};

constexpr bool exponential_factors_agree() {
  for (uint32_t i = 0; i < 256; ++i) {
    const uint64_t product = uint64_t{exponential_coarse[i / 16]} * exponential_fine[i % 16];
    if ((product + (uint64_t{1} << 35)) >> 36 != accel::exponential_table[i]) return false;
  }
  return true;
}
static_assert(exponential_factors_agree(), "exp24's table as products");

/// Four bytes of sixteen words, byte by byte, twice: for both halves of a register.
struct BytePlanes {
  alignas(32) uint8_t byte[4][32];

  constexpr explicit BytePlanes(const uint32_t (&words)[16]) : byte{} {
    for (uint32_t p = 0; p < 4; ++p) {
      for (uint32_t i = 0; i < 32; ++i) byte[p][i] = static_cast<uint8_t>(words[i % 16] >> (8 * p));
    }
  }
};
constexpr BytePlanes coarse_planes(exponential_coarse);
constexpr BytePlanes fine_planes(exponential_fine);

template <>
struct ExponentialTable<Avx2> {
  static constexpr uint32_t together = 4;

  static void multiply(const Avx2::I32* fixed, const Avx2::I32* l, Avx2::I32* power) {
    // Vectors 0, 1, 2, 3 in each half; what unpacks them again is in the same order.
    const __m256i low = _mm256_packs_epi32(index(fixed[0]), index(fixed[1]));
    const __m256i high = _mm256_packs_epi32(index(fixed[2]), index(fixed[3]));
    const __m256i bytes = _mm256_packus_epi16(low, high);
    const __m256i mask = _mm256_set1_epi8(15);
    __m256i coarse[together];
    __m256i fine[together];
    look_up(coarse_planes, _mm256_and_si256(_mm256_srli_epi16(bytes, 4), mask), coarse);
    look_up(fine_planes, _mm256_and_si256(bytes, mask), fine);
    for (uint32_t n = 0; n < together; ++n) {
      // E * (2^26 + l) fits 54 bits.
      const __m256i factor = _mm256_add_epi32(__m256i(l[n]), _mm256_set1_epi32(1 << 26));
      const __m256i even = product(coarse[n], fine[n], factor);
      const __m256i odd = product(_mm256_srli_epi64(coarse[n], 32), _mm256_srli_epi64(fine[n], 32),
                                  _mm256_srli_epi64(factor, 32));
      power[n] = Avx2::I32(_mm256_blend_epi32(_mm256_srli_epi64(even, 26), _mm256_slli_epi64(odd, 6), 0xaa));
    }
  }

 private:
  /// E * factor + 2^25 of the even lanes.
  static __m256i product(__m256i coarse, __m256i fine, __m256i factor) {
    const __m256i rounding = _mm256_set1_epi64x(int64_t{1} << 35);
    const __m256i base = _mm256_srli_epi64(_mm256_add_epi64(_mm256_mul_epu32(coarse, fine), rounding), 36);
    return _mm256_add_epi64(_mm256_mul_epu32(base, factor), _mm256_set1_epi64x(int64_t{1} << 25));
  }

  static __m256i index(Avx2::I32 fixed) {
    return _mm256_and_si256(_mm256_srli_epi32(__m256i(fixed), 12), _mm256_set1_epi32(0xff));
  }

  static void look_up(const BytePlanes& planes, __m256i index, __m256i (&words)[together]) {
    __m256i plane[4];
    for (uint32_t p = 0; p < 4; ++p) plane[p] = _mm256_shuffle_epi8(load_as<__m256i>(planes.byte[p]), index);
    const __m256i low[2] = {_mm256_unpacklo_epi8(plane[0], plane[1]),
                            _mm256_unpacklo_epi8(plane[2], plane[3])};
    const __m256i high[2] = {_mm256_unpackhi_epi8(plane[0], plane[1]),
                             _mm256_unpackhi_epi8(plane[2], plane[3])};
    words[0] = _mm256_unpacklo_epi16(low[0], low[1]);
    words[1] = _mm256_unpackhi_epi16(low[0], low[1]);
    words[2] = _mm256_unpacklo_epi16(high[0], high[1]);
    words[3] = _mm256_unpackhi_epi16(high[0], high[1]);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
