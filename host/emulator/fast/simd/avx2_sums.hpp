#pragma once

#include "avx2.hpp"
#include "product.hpp"

/// \file
/// AVX2's sums of one group and one token. Byte products are added in 16 bits, which is exact for as many as
/// the comments say, and widened once a group.

namespace accllm::emulator::fast {
namespace {

inline __m256i load_256(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline __m256i broadcast_quad(const void* four) { return _mm256_set1_epi32(load_as<int32_t>(four)); }

/// The same as one instruction: GCC likes to load several quads into other registers first.
inline __m256i broadcast_load(const int8_t* four) {
  __m256i value;
  asm("vpbroadcastd %1, %0" : "=x"(value) : "m"(*reinterpret_cast<const int8_t(*)[4]>(four)));
  return value;
}

/// Neighbouring byte products, positive times signed, together in 16 bits.
inline __m256i products(__m256i positive, __m256i other) {
  __m256i sums = _mm256_maddubs_epi16(positive, other);
  // Keeps the order: GCC computes all products of a loop's pass before it adds them, and runs out of
  // registers.
  asm volatile("" : "+x"(sums));
  return sums;
}

/// Adds products to sums of 16 bits.
inline __m256i add_products(__m256i sums, __m256i positive, __m256i other) {
  sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(positive, other));
  asm volatile("" : "+x"(sums));
  return sums;
}

/// Neighbouring sums of 16 bits together, times `factor`.
inline __m256i widen_sums(__m256i sums, int16_t factor) {
  return _mm256_madd_epi16(sums, _mm256_set1_epi16(factor));
}

/// Zero codes of eight rows times a factor of 16 bits and a sign: the sum of a group's activations is below
/// 2^13. (The upper halves of the lanes are zero times the sign.)
inline __m256i zeros_times(const uint8_t* zeros, int32_t factor) {
  const __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(zeros)));
  return _mm256_madd_epi16(codes, _mm256_set1_epi32(factor));
}

/// A group of eight rows, half a line each, as it lies in a panel.
struct Avx2Group {
  const uint8_t* lines;
  const uint8_t* zeros;
  const uint16_t* scales;
  const int8_t* activations;
  /// Of the activations.
  int32_t sum;

  /// The second half of the panel's rows, or the first.
  Avx2Group half(int index) const {
    return {lines + 32 * index, zeros + 8 * index, scales + 8 * index, activations, sum};
  }
  /// Asks for the line as far ahead as keeps memory busy and the lines in the first-level cache. One by one:
  /// a group's at once would fill the core's queue of misses. And past the other caches, which keep what is
  /// used again.
  void ask(int32_t index) const {
    constexpr int32_t ahead = 2560;
    _mm_prefetch(lines + index * int32_t{line_bytes} + ahead, _MM_HINT_NTA);
  }
  __m256i line(uint32_t index) const { return load_256(lines + index * line_bytes); }
  __m256i quad(uint32_t index) const { return broadcast_quad(activations + 4 * index); }
  /// Zero codes times the activations' sum.
  __m256i zeros_part() const { return zeros_times(zeros, sum); }
};

/// A format's sums of one group: sum of (2 c - zh) * a. `ask`: whether it asks for lines ahead.
template <uint32_t format>
struct Avx2Sums;

template <>
struct Avx2Sums<accel::weight_format::w4> {
  /// 16 products of 15 * 127 make 30,480.
  template <bool ask>
  static __m256i of(const Avx2Group& group) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = {};
    __m256i high = {};
    for (uint32_t c = 0; c < chunks; ++c) {
      for (uint32_t line = 0; line < 2; ++line) {
        if (ask) group.ask(2 * c + line);
        const __m256i word = group.line(2 * c + line);
        const __m256i shifted = _mm256_srli_epi16(word, 4);
        low = add_products(low, word & nibble, group.quad(4 * c + line));
        high = add_products(high, shifted & nibble, group.quad(4 * c + 2 + line));
      }
    }
    const __m256i codes = _mm256_add_epi32(widen_sums(low, 2), widen_sums(high, 2));
    return _mm256_sub_epi32(codes, group.zeros_part());
  }
};

template <>
struct Avx2Sums<accel::weight_format::w8> {
  /// Low and high nibbles apart, widened twice a group: 16 products of 15 * 127 make 30,480.
  template <bool ask>
  static __m256i of(const Avx2Group& group) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = {};
    __m256i high = _mm256_sub_epi32(__m256i{}, group.zeros_part());
    for (uint32_t first = 0; first < 4 * chunks; first += 8) {
      __m256i low_sums = {};
      __m256i high_sums = {};
      for (uint32_t quad = first; quad < first + 8; ++quad) {
        if (ask) group.ask(quad);
        const __m256i word = group.line(quad);
        const __m256i shifted = _mm256_srli_epi16(word, 4);
        low_sums = add_products(low_sums, word & nibble, group.quad(quad));
        high_sums = add_products(high_sums, shifted & nibble, group.quad(quad));
      }
      low = _mm256_add_epi32(low, widen_sums(low_sums, 2));
      high = _mm256_add_epi32(high, widen_sums(high_sums, 2));
    }
    return _mm256_add_epi32(low, _mm256_slli_epi32(high, 4));
  }
};

/// W2's time counts: all halves of lines share the broadcast activations, in sixteen registers.
struct Avx2Codes {
  /// Fields 0 and 2, and fields 1 and 3, which stay in place and count four times: at most
  /// 16 * 12 * 127 = 24,384.
  __m256i once = _mm256_setzero_si256();
  __m256i fourfold = _mm256_setzero_si256();

  void add(__m256i word, const __m256i* quads) {
    add_field<0>(word, quads[0]);
    add_field<1>(word, quads[1]);
    add_field<2>(word, quads[2], quads[3]);
  }
  /// Field 0 or field 1 of a word.
  template <int field>
  [[gnu::always_inline]] void add_field(__m256i word, __m256i quad) {
    static_assert(field < 2);
    __m256i& sum = field == 0 ? once : fourfold;
    sum = add_products(sum, word & _mm256_set1_epi8(field == 0 ? 3 : 12), quad);
  }
  /// Fields 2 and 3.
  template <int field>
  [[gnu::always_inline]] void add_field(__m256i word, __m256i quad, __m256i next) {
    static_assert(field == 2);
    const __m256i shifted = _mm256_srli_epi16(word, 4);
    add_field<0>(shifted, quad);
    add_field<1>(shifted, next);
  }
  /// Four times the sum of codes times activations.
  __m256i sum() const { return _mm256_add_epi32(widen_sums(once, 4), widen_sums(fourfold, 1)); }
  /// Twice that sum, not widened: two sums a row of at most 2 * 12,192.
  __m256i narrow_sum() const {
    return _mm256_add_epi16(_mm256_add_epi16(once, once), _mm256_srai_epi16(fourfold, 1));
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
