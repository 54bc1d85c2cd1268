#pragma once

#include "avx2.hpp"
#include "probabilities.hpp"

/// \file
/// AVX2's weighing of values.

namespace accllm::emulator::fast {
namespace {

template <>
struct WeightBytes<Avx2> {
  static void store(const Avx2::I32 (&rounded)[2], uint8_t* u) {
    // At most 256, which saturates.
    const __m128i low = words(__m256i(rounded[0]));
    const __m128i high = words(__m256i(rounded[1]));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(u), _mm_packus_epi16(low, high));
  }

 private:
  static __m128i words(__m256i x) {
    return _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
  }
};

/// Values a byte a code, four slots of an element side by side.
template <>
struct ValueCodes<Avx2> {
  static constexpr uint32_t quads = block_slots / 4;
  /// Vectors of eight elements of a block, the even ones of a slot first.
  uint32_t vectors;
  /// Of each block and vector the four slots 0 to 3, 4 to 7 and so on.
  __m256i codes[value_blocks * most_head_dim / 8][quads];

  void load(uint32_t place, const uint8_t* block_codes, uint32_t head_dim) {
    const uint32_t slot_bytes = head_dim / 2;
    const uint32_t half = padded_half(head_dim) / 8;
    vectors = 2 * half;
    constexpr uint32_t step = 16;
    uint8_t copy[block_slots * most_head_dim / 2 + step];
    if (slot_bytes % step != 0) {
      // The last slot's bytes may be the last of their buffer.
      std::memcpy(copy, block_codes, block_slots * slot_bytes);
      std::memset(copy + block_slots * slot_bytes, 0, step);
      block_codes = copy;
    }
    const __m128i mask = _mm_set1_epi8(15);
    for (uint32_t quad = 0; quad < quads; ++quad) {
      for (uint32_t first = 0; first < slot_bytes; first += step) {
        const uint8_t* at = block_codes + 4 * quad * slot_bytes + first;
        const __m128i a = load_as<__m128i>(at);
        const __m128i b = load_as<__m128i>(at + slot_bytes);
        const __m128i c = load_as<__m128i>(at + 2 * slot_bytes);
        const __m128i d = load_as<__m128i>(at + 3 * slot_bytes);
        const __m128i ab[2] = {_mm_unpacklo_epi8(a, b), _mm_unpackhi_epi8(a, b)};
        const __m128i cd[2] = {_mm_unpacklo_epi8(c, d), _mm_unpackhi_epi8(c, d)};
        for (uint32_t p = 0; p < 2; ++p) {
          if (first / 8 + p >= half) break;
          const uint32_t vector = place * vectors + first / 8 + p;
          auto* even = reinterpret_cast<__m128i*>(&codes[vector][quad]);
          auto* odd = reinterpret_cast<__m128i*>(&codes[vector + half][quad]);
          const __m128i four[2] = {_mm_unpacklo_epi16(ab[p], cd[p]), _mm_unpackhi_epi16(ab[p], cd[p])};
          for (uint32_t i = 0; i < 2; ++i) {
            _mm_store_si128(even + i, _mm_and_si128(four[i], mask));
            _mm_store_si128(odd + i, _mm_and_si128(_mm_srli_epi16(four[i], 4), mask));
          }
        }
      }
    }
  }

  void add(const ValueStep* steps, uint32_t count, uint32_t* sums) const {
    uint32_t v = 0;
    for (; v + 8 <= vectors; v += 8) add_vectors<8>(v, steps, count, sums);
    for (; v < vectors; v += 2) add_vectors<2>(v, steps, count, sums);
  }

 private:
  /// A function of its own for the registers.
  template <uint32_t width>
  [[gnu::noinline]] void add_vectors(uint32_t first, const ValueStep* steps, uint32_t count,
                                     uint32_t* sums) const {
    static_assert(quads * 2 * 255 * 15 <= INT16_MAX, "sums of all slots fit 16 bits");
    auto* place = reinterpret_cast<__m256i*>(sums + 8 * first);
    __m256i total[width];
#pragma GCC unroll 8
    for (uint32_t i = 0; i < width; ++i) total[i] = load_once(place + i);
    for (uint32_t n = 0; n < count; ++n) {
      const ValueStep& step = steps[n];
      const __m256i(*values)[quads] = codes + step.place * vectors + first;
      __m256i four[quads];
      for (uint32_t quad = 0; quad < quads; ++quad)
        four[quad] = _mm256_set1_epi32(load_as<int32_t>(step.weights + 4 * quad));
      const __m256i factor = _mm256_set1_epi32(0x10001 << step.shift);
#pragma GCC unroll 8
      for (uint32_t i = 0; i < width; ++i) {
        const __m256i low = _mm256_add_epi16(_mm256_maddubs_epi16(four[0], values[i][0]),
                                             _mm256_maddubs_epi16(four[1], values[i][1]));
        const __m256i high = _mm256_add_epi16(_mm256_maddubs_epi16(four[2], values[i][2]),
                                              _mm256_maddubs_epi16(four[3], values[i][3]));
        total[i] = _mm256_add_epi32(total[i], _mm256_madd_epi16(_mm256_add_epi16(low, high), factor));
        asm("" : "+x"(total[i]));
      }
    }
#pragma GCC unroll 8
    for (uint32_t i = 0; i < width; ++i) _mm256_storeu_si256(place + i, total[i]);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
