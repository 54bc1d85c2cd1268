#pragma once

#include "avx2.hpp"
#include "product.hpp"

/// \file
/// Sixteen rows times one token with AVX2. A group's byte products are added in 16 bits, which is exact for
/// as many as the comments say, and widened once; the two halves of a line share broadcast activations.

namespace accllm::emulator::fast {
namespace {

inline __m256i load_256(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline __m256i broadcast_quad(const void* four) { return _mm256_set1_epi32(load_as<int32_t>(four)); }

/// Adds neighbouring byte products, positive times signed, to sums of 16 bits.
inline __m256i add_products(__m256i sums, __m256i positive, __m256i other) {
  sums = _mm256_add_epi16(sums, _mm256_maddubs_epi16(positive, other));
  // Keeps the order: GCC computes all products of a loop's pass before it adds them, and runs out of
  // registers.
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
  const int8_t* activations;
  /// Of the activations.
  int32_t sum;

  __m256i line(uint32_t index) const { return load_256(lines + index * line_bytes); }
  __m256i quad(uint32_t index) const { return broadcast_quad(activations + 4 * index); }
  /// Zero codes times the activations' sum.
  __m256i zeros_part() const { return zeros_times(zeros, sum); }
};

/// A format's sums of one group: sum of (2 c - zh) * a.
template <uint32_t format>
struct Avx2Sums;

template <>
struct Avx2Sums<accel::weight_format::w4> {
  static constexpr uint32_t chunk_lines = 2;

  /// 16 products of 15 * 127 make 30,480.
  static __m256i of(const Avx2Group& group) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = {};
    __m256i high = {};
    for (uint32_t c = 0; c < chunks; ++c) {
      for (uint32_t line = 0; line < 2; ++line) {
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
  static constexpr uint32_t chunk_lines = 4;

  /// Low and high nibbles apart, widened twice a group: 16 products of 15 * 127 make 30,480.
  static __m256i of(const Avx2Group& group) {
    const __m256i nibble = _mm256_set1_epi8(15);
    __m256i low = {};
    __m256i high = _mm256_sub_epi32(__m256i{}, group.zeros_part());
    for (uint32_t first = 0; first < 4 * chunks; first += 8) {
      __m256i low_sums = {};
      __m256i high_sums = {};
      for (uint32_t quad = first; quad < first + 8; ++quad) {
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

template <>
struct Avx2Sums<accel::weight_format::w2s24> {
  static constexpr uint32_t chunk_lines = 1;

  /// Activations are biased: 8 products of 255 * 15 make 30,600.
  static __m256i of(const Avx2Group& group) {
    const Avx2::U8 zeros = Avx2::spread(group.zeros);
    __m256i sums[2] = {};
    for (uint32_t c = 0; c < chunks; ++c) {
      const Avx2::U8 chunk = Avx2::chunk(group.activations + c * chunk_inputs);
      const Avx2::U8 line = Avx2::U8(group.line(c));
      for (int half = 0; half < 2; ++half) {
        const SparseHalf<Avx2> kept = sparse_half<Avx2>(line, half, zeros);
        sums[half] = add_products(sums[half], __m256i(Avx2::pick(chunk, kept.index)), __m256i(kept.weight));
      }
    }
    return _mm256_add_epi32(widen_sums(sums[0], 1), widen_sums(sums[1], 1));
  }
};

/// Asks for the codes of a few groups ahead, into the first-level cache.
template <size_t bytes>
void avx2_prefetch(const uint8_t* lines) {
  constexpr size_t ahead = 4096;
  for (size_t i = 0; i < bytes; i += line_bytes) _mm_prefetch(lines + ahead + i, _MM_HINT_T0);
}

template <uint32_t format>
void avx2_rows(const MatrixView& m, const uint8_t* panel, const BlockView& block, int64_t* lanes) {
  constexpr size_t group_bytes = size_t{chunks} * Avx2Sums<format>::chunk_lines * line_bytes;
  Avx2::Sum sums[2];
  for (uint32_t g = 0; g < m.groups; ++g) {
    const uint8_t* lines = panel + m.codes_at + g * group_bytes;
    avx2_prefetch<group_bytes>(lines);
    for (int half = 0; half < 2; ++half) {
      const size_t entry = size_t{g} * panel_rows + 8 * half;
      const Avx2Group group = {lines + 32 * half, panel + entry, block.codes + size_t{g} * group_inputs,
                               block.sums[g]};
      const auto* scales = reinterpret_cast<const uint16_t*>(panel + m.scales_at) + entry;
      sums[half].add_product(Avx2::I32(Avx2Sums<format>::of(group)), Avx2::widen(scales));
    }
  }
  for (int half = 0; half < 2; ++half) sums[half].store(lanes + 8 * half);
}

/// W2's time counts: both halves of a line share the broadcast activations, in sixteen registers.
struct Avx2Codes {
  /// Fields 0 and 2, and fields 1 and 3, which stay in place and count four times: at most
  /// 16 * 12 * 127 = 24,384.
  __m256i once = _mm256_setzero_si256();
  __m256i fourfold = _mm256_setzero_si256();

  void add(__m256i word, __m256i quad0, __m256i quad1, __m256i quad2, __m256i quad3) {
    const __m256i low = _mm256_set1_epi8(3);
    const __m256i high = _mm256_set1_epi8(12);
    const __m256i shifted = _mm256_srli_epi16(word, 4);
    const __m256i even = add_products(_mm256_maddubs_epi16(word & low, quad0), shifted & low, quad2);
    const __m256i odd = add_products(_mm256_maddubs_epi16(word & high, quad1), shifted & high, quad3);
    once = _mm256_add_epi16(once, even);
    fourfold = _mm256_add_epi16(fourfold, odd);
  }
  /// Four times the sum of codes times activations, less `zeros`.
  Avx2::I32 sum(__m256i zeros) const {
    const __m256i codes = _mm256_add_epi32(widen_sums(once, 4), widen_sums(fourfold, 1));
    return Avx2::I32(_mm256_sub_epi32(codes, zeros));
  }
};

template <>
inline void avx2_rows<accel::weight_format::w2>(const MatrixView& m, const uint8_t* panel,
                                                const BlockView& block, int64_t* lanes) {
  constexpr size_t group_bytes = size_t{chunks} * line_bytes;
  Avx2::Sum sum0;
  Avx2::Sum sum1;
  for (uint32_t g = 0; g < m.groups; ++g) {
    const uint8_t* lines = panel + m.codes_at + g * group_bytes;
    const int8_t* activations = block.codes + size_t{g} * group_inputs;
    avx2_prefetch<group_bytes>(lines);
    Avx2Codes codes0;
    Avx2Codes codes1;
#pragma GCC unroll 1
    for (uint32_t c = 0; c < chunks; ++c) {
      const int8_t* chunk = activations + c * chunk_inputs;
      const __m256i quad0 = broadcast_quad(chunk);
      const __m256i quad1 = broadcast_quad(chunk + 4);
      const __m256i quad2 = broadcast_quad(chunk + 8);
      const __m256i quad3 = broadcast_quad(chunk + 12);
      codes0.add(load_256(lines + c * line_bytes), quad0, quad1, quad2, quad3);
      codes1.add(load_256(lines + c * line_bytes + 32), quad0, quad1, quad2, quad3);
    }
    const int32_t twice = 2 * block.sums[g];
    const uint8_t* zeros = panel + size_t{g} * panel_rows;
    const auto* scales = reinterpret_cast<const uint16_t*>(panel + m.scales_at) + size_t{g} * panel_rows;
    sum0.add_product(codes0.sum(zeros_times(zeros, twice)), Avx2::widen(scales));
    sum1.add_product(codes1.sum(zeros_times(zeros + 8, twice)), Avx2::widen(scales + 8));
  }
  sum0.store(lanes);
  sum1.store(lanes + 8);
  for (uint32_t i = 0; i < panel_rows; ++i) lanes[i] /= 2;
}

template <>
struct TokenRows<Avx2> {
  static constexpr uint32_t rows = panel_rows;

  static void multiply(const MatrixView& m, const uint8_t* panel, uint32_t, const BlockView& block,
                       int64_t* sums) {
    switch (m.format) {
      case accel::weight_format::w2s24:
        return avx2_rows<accel::weight_format::w2s24>(m, panel, block, sums);
      case accel::weight_format::w2:
        return avx2_rows<accel::weight_format::w2>(m, panel, block, sums);
      case accel::weight_format::w4:
        return avx2_rows<accel::weight_format::w4>(m, panel, block, sums);
      default:
        return avx2_rows<accel::weight_format::w8>(m, panel, block, sums);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
