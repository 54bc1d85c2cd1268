#pragma once

#include "avx2.hpp"
#include "keys.hpp"

/// \file
/// AVX2's products of queries with keys.

namespace accllm::emulator::fast {
namespace {

/// Sums of sixteen slots for one or two heads, in variables of their own: the compiler keeps arrays of them
/// in memory, and copies them about where it does not.
struct SlotSums {
  __m256i first_low = _mm256_setzero_si256();
  __m256i first_high = _mm256_setzero_si256();
  __m256i second_low = _mm256_setzero_si256();
  __m256i second_high = _mm256_setzero_si256();
};

/// Keys a byte a code, so that products of a query's codes with four slots' lie in one 16-bit lane pair, and
/// are added in 16 bits for as long as that is exact.
template <>
struct KeyCodes<Avx2> {
  /// Four codes of slots 0 to 7 and of 8 to 15, for a quad of elements.
  struct Quad {
    __m256i slots[2];
  };
  Quad quads[2 * most_words];

  void load(const uint8_t* codes, uint32_t head_dim) {
    const uint32_t slot_bytes = head_dim / 2;
    // Eight words of eight slots at a time, as far as slots have whole vectors.
    const uint32_t whole = slot_bytes % sizeof(__m256i) == 0 ? slot_bytes / 4 : 0;
    for (uint32_t w = 0; w < whole; w += 8) {
      for (uint32_t p = 0; p < 2; ++p) {
        __m256i words[8];
        transpose(codes + 8 * p * slot_bytes + 4 * w, slot_bytes, words);
        for (uint32_t i = 0; i < 8; ++i) set(w + i, p, words[i]);
      }
    }
    if (whole != 0) return;
    uint32_t words[most_words][block_slots];
    gather_words(codes, head_dim, words);
    for (uint32_t w = 0; w < (head_dim + 7) / 8; ++w) {
      for (uint32_t p = 0; p < 2; ++p) set(w, p, load_as<__m256i>(words[w] + 8 * p));
    }
  }

  template <uint32_t count>
  void multiply(const int8_t* const (&queries)[count], uint32_t head_dim,
                SlotValues<Avx2> (&out)[count]) const {
    uint32_t n = 0;
    for (; n + 2 <= count; n += 2) multiply_few<2>(queries + n, head_dim, out + n);
    if (n < count) multiply_few<1>(queries + n, head_dim, out + n);
  }

 private:
  template <uint32_t count>
  void multiply_few(const int8_t* const* queries, uint32_t head_dim, SlotValues<Avx2>* out) const {
    // Quads whose pairs of products add up in 16 bits.
    constexpr uint32_t run = 8;
    static_assert(run * 2 * 127 * 15 <= INT16_MAX, "sums of a run fit 16 bits");
    const __m256i ones = _mm256_set1_epi16(1);
    const uint32_t all = (head_dim + 7) / 8 * 2;
    const int8_t* first_query = queries[0];
    const int8_t* second_query = queries[count - 1];
    SlotSums wide;
    for (uint32_t from = 0; from < all; from += run) {
      const uint32_t to = from + run < all ? from + run : all;
      SlotSums sums;
#pragma GCC unroll 8
      for (uint32_t quad = from; quad < to; ++quad) {
        const __m256i low = load_once(&quads[quad].slots[0]);
        const __m256i high = load_once(&quads[quad].slots[1]);
        const __m256i first = _mm256_set1_epi32(load_as<int32_t>(first_query + 4 * quad));
        sums.first_low = _mm256_add_epi16(sums.first_low, _mm256_maddubs_epi16(low, first));
        sums.first_high = _mm256_add_epi16(sums.first_high, _mm256_maddubs_epi16(high, first));
        if (count < 2) continue;
        const __m256i second = _mm256_set1_epi32(load_as<int32_t>(second_query + 4 * quad));
        sums.second_low = _mm256_add_epi16(sums.second_low, _mm256_maddubs_epi16(low, second));
        sums.second_high = _mm256_add_epi16(sums.second_high, _mm256_maddubs_epi16(high, second));
      }
      wide.first_low = _mm256_add_epi32(wide.first_low, _mm256_madd_epi16(sums.first_low, ones));
      wide.first_high = _mm256_add_epi32(wide.first_high, _mm256_madd_epi16(sums.first_high, ones));
      if (count < 2) continue;
      wide.second_low = _mm256_add_epi32(wide.second_low, _mm256_madd_epi16(sums.second_low, ones));
      wide.second_high = _mm256_add_epi32(wide.second_high, _mm256_madd_epi16(sums.second_high, ones));
    }
    out[count - 1].part[0] = Avx2::to_float(Avx2::I32(wide.second_low));
    out[count - 1].part[1] = Avx2::to_float(Avx2::I32(wide.second_high));
    out[0].part[0] = Avx2::to_float(Avx2::I32(wide.first_low));
    out[0].part[1] = Avx2::to_float(Avx2::I32(wide.first_high));
  }

  void set(uint32_t word, uint32_t part, __m256i codes) {
    const __m256i mask = _mm256_set1_epi8(15);
    quads[2 * word].slots[part] = _mm256_and_si256(codes, mask);
    quads[2 * word + 1].slots[part] = _mm256_and_si256(_mm256_srli_epi16(codes, 4), mask);
  }

  /// Words 0 to 7 of eight slots.
  static void transpose(const uint8_t* slots, uint32_t slot_bytes, __m256i (&words)[8]) {
    __m256i pairs[8];
    __m256i fours[8];
    for (uint32_t i = 0; i < 8; i += 2) {
      const __m256i a = load_as<__m256i>(slots + i * slot_bytes);
      const __m256i b = load_as<__m256i>(slots + (i + 1) * slot_bytes);
      pairs[i] = _mm256_unpacklo_epi32(a, b);
      pairs[i + 1] = _mm256_unpackhi_epi32(a, b);
    }
    // Word w and word w + 4 of four slots, for w = 0 .. 3.
    for (uint32_t i = 0; i < 8; i += 4) {
      fours[i] = _mm256_unpacklo_epi64(pairs[i], pairs[i + 2]);
      fours[i + 1] = _mm256_unpackhi_epi64(pairs[i], pairs[i + 2]);
      fours[i + 2] = _mm256_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
      fours[i + 3] = _mm256_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    for (uint32_t w = 0; w < 4; ++w) {
      words[w] = _mm256_permute2x128_si256(fours[w], fours[w + 4], 0x20);
      words[w + 4] = _mm256_permute2x128_si256(fours[w], fours[w + 4], 0x31);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
