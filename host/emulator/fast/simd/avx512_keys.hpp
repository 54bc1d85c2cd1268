#pragma once

#include "avx512.hpp"
#include "keys.hpp"

/// \file
/// AVX-512's products of queries with keys.

namespace accllm::emulator::fast {
namespace {

/// Keys a byte a code: for a quad of elements four codes of each of the sixteen slots.
template <>
struct KeyCodes<Avx512> {
  __m512i quads[2 * most_words];

  void load(const uint8_t* codes, uint32_t head_dim) {
    const uint32_t slot_bytes = head_dim / 2;
    const uint32_t count = (head_dim + 7) / 8;
    // Eight words of all slots at a time, where slots have whole vectors.
    if (slot_bytes % sizeof(__m256i) == 0) {
      for (uint32_t w = 0; w < count; w += 8) {
        __m512i words[8];
        transpose(codes + 4 * w, slot_bytes, words);
        for (uint32_t i = 0; i < 8; ++i) set(w + i, words[i]);
      }
      return;
    }
    uint32_t words[most_words][block_slots];
    gather_words(codes, head_dim, words);
    for (uint32_t w = 0; w < count; ++w) set(w, load_as<__m512i>(words[w]));
  }

  template <uint32_t count>
  void multiply(const int8_t* const (&queries)[count], uint32_t head_dim,
                SlotValues<Avx512> (&out)[count]) const {
    __m512i even[count];
    __m512i odd[count];
    for (uint32_t n = 0; n < count; ++n) even[n] = odd[n] = _mm512_setzero_si512();
    for (uint32_t quad = 0; quad < (head_dim + 7) / 8 * 2; quad += 2) {
      for (uint32_t n = 0; n < count; ++n) {
        even[n] = add(even[n], quads[quad], queries[n] + 4 * quad);
        odd[n] = add(odd[n], quads[quad + 1], queries[n] + 4 * quad + 4);
      }
    }
    for (uint32_t n = 0; n < count; ++n)
      out[n].part[0] = Avx512::to_float(Avx512::I32(_mm512_add_epi32(even[n], odd[n])));
  }

 private:
  static __m512i add(__m512i sum, __m512i codes, const int8_t* four) {
    return in_place(_mm512_dpbusd_epi32(sum, codes, __m512i(Avx512::quad(four))));
  }

  void set(uint32_t word, __m512i codes) {
    const __m512i mask = _mm512_set1_epi8(15);
    quads[2 * word] = _mm512_and_si512(codes, mask);
    quads[2 * word + 1] = _mm512_and_si512(_mm512_srli_epi16(codes, 4), mask);
  }

  /// Words 0 to 7 of the sixteen slots.
  static void transpose(const uint8_t* slots, uint32_t slot_bytes, __m512i (&words)[8]) {
    __m512i pairs[8];
    __m512i fours[8];
    // Slots 0 to 3 and 8 to 11, each with the one that is four further on.
    const auto two_slots = [&](uint32_t i) {
      const uint8_t* slot = slots + (i < 4 ? i : i + 4) * slot_bytes;
      return _mm512_inserti64x4(_mm512_castsi256_si512(load_as<__m256i>(slot)),
                                load_as<__m256i>(slot + 4 * slot_bytes), 1);
    };
    for (uint32_t i = 0; i < 8; i += 2) {
      const __m512i a = two_slots(i);
      const __m512i b = two_slots(i + 1);
      pairs[i] = _mm512_unpacklo_epi32(a, b);
      pairs[i + 1] = _mm512_unpackhi_epi32(a, b);
    }
    // Word w and word w + 4 of four and four slots, for w = 0 .. 3.
    for (uint32_t i = 0; i < 8; i += 4) {
      fours[i] = _mm512_unpacklo_epi64(pairs[i], pairs[i + 2]);
      fours[i + 1] = _mm512_unpackhi_epi64(pairs[i], pairs[i + 2]);
      fours[i + 2] = _mm512_unpacklo_epi64(pairs[i + 1], pairs[i + 3]);
      fours[i + 3] = _mm512_unpackhi_epi64(pairs[i + 1], pairs[i + 3]);
    }
    for (uint32_t w = 0; w < 4; ++w) {
      words[w] = _mm512_shuffle_i32x4(fours[w], fours[w + 4], 0x88);
      words[w + 4] = _mm512_shuffle_i32x4(fours[w], fours[w + 4], 0xdd);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
