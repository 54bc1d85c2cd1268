#pragma once

#include "avx2.hpp"
#include "product.hpp"

/// \file
/// Panels times one token with AVX2. A group's byte products are added in 16 bits, which is exact for as many
/// as the comments say, and widened once. Two panels that lie far apart go side by side: a core reads two
/// distant streams faster than one, and they share broadcast activations.

namespace accllm::emulator::fast {
namespace {

inline __m256i load_256(const void* from) { return _mm256_loadu_si256(static_cast<const __m256i*>(from)); }
inline __m256i broadcast_quad(const void* four) { return _mm256_set1_epi32(load_as<int32_t>(four)); }

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

/// W2's time counts: all halves of lines share the broadcast activations, in sixteen registers.
struct Avx2Codes {
  /// Fields 0 and 2, and fields 1 and 3, which stay in place and count four times: at most
  /// 16 * 12 * 127 = 24,384.
  __m256i once = _mm256_setzero_si256();
  __m256i fourfold = _mm256_setzero_si256();

  void add(__m256i word, const __m256i* quads) {
    const __m256i low = _mm256_set1_epi8(3);
    const __m256i high = _mm256_set1_epi8(12);
    const __m256i shifted = _mm256_srli_epi16(word, 4);
    once = add_products(once, word & low, quads[0]);
    fourfold = add_products(fourfold, word & high, quads[1]);
    once = add_products(once, shifted & low, quads[2]);
    fourfold = add_products(fourfold, shifted & high, quads[3]);
  }
  /// Four times the sum of codes times activations.
  __m256i sum() const { return _mm256_add_epi32(widen_sums(once, 4), widen_sums(fourfold, 1)); }
};

/// 2:4, whose halves share the broadcast chunk. Activations are biased: 8 products of 255 * 15 make 30,600.
struct Avx2Kept {
  __m256i low = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();

  void add(__m256i line, Avx2::U8 zeros, Avx2::U8 chunk) {
    const SparseHalf<Avx2> first = sparse_half<Avx2>(Avx2::U8(line), 0, zeros);
    low = add_products(low, __m256i(Avx2::pick(chunk, first.index)), __m256i(first.weight));
    const SparseHalf<Avx2> second = sparse_half<Avx2>(Avx2::U8(line), 1, zeros);
    high = add_products(high, __m256i(Avx2::pick(chunk, second.index)), __m256i(second.weight));
  }
  __m256i sum() const { return _mm256_add_epi32(widen_sums(low, 1), widen_sums(high, 1)); }
};

/// The 64-bit sums of a panel's rows, eight and eight.
using Avx2PanelSums = Avx2::Sum[2];

/// Adds a group of `count` panels to their sums; of W2 twice.
template <uint32_t format, int count>
void add_group(const Avx2Group* groups, Avx2PanelSums* sums) {
  __m256i parts[count][2];
  if constexpr (format == accel::weight_format::w2) {
    Avx2Codes codes[count][2];
#pragma GCC unroll 4
    for (uint32_t c = 0; c < chunks; ++c) {
      __m256i quads[4];
      for (uint32_t q = 0; q < 4; ++q) quads[q] = groups[0].quad(4 * c + q);
      for (int p = 0; p < count; ++p) {
        for (int half = 0; half < 2; ++half) codes[p][half].add(groups[p].half(half).line(c), quads);
      }
    }
    for (int p = 0; p < count; ++p) {
      for (int half = 0; half < 2; ++half) {
        const __m256i zeros = zeros_times(groups[p].half(half).zeros, 2 * groups[p].sum);
        parts[p][half] = _mm256_sub_epi32(codes[p][half].sum(), zeros);
      }
    }
  } else if constexpr (format == accel::weight_format::w2s24) {
    Avx2Kept kept[count][2];
    Avx2::U8 zeros[count][2];
    for (int p = 0; p < count; ++p) {
      for (int half = 0; half < 2; ++half) zeros[p][half] = Avx2::spread(groups[p].half(half).zeros);
    }
#pragma GCC unroll 4
    for (uint32_t c = 0; c < chunks; ++c) {
      const Avx2::U8 chunk = Avx2::chunk(groups[0].activations + c * chunk_inputs);
      for (int p = 0; p < count; ++p) {
        for (int half = 0; half < 2; ++half)
          kept[p][half].add(groups[p].half(half).line(c), zeros[p][half], chunk);
      }
    }
    for (int p = 0; p < count; ++p) {
      for (int half = 0; half < 2; ++half) parts[p][half] = kept[p][half].sum();
    }
  } else {
    for (int p = 0; p < count; ++p) {
      for (int half = 0; half < 2; ++half) parts[p][half] = Avx2Sums<format>::of(groups[p].half(half));
    }
  }
  for (int p = 0; p < count; ++p) {
    for (int half = 0; half < 2; ++half)
      sums[p][half].add_product(Avx2::I32(parts[p][half]), Avx2::widen(groups[p].half(half).scales));
  }
}

/// Bytes of codes of a group.
constexpr size_t avx2_group_bytes(uint32_t format) {
  constexpr size_t line = size_t{chunks} * line_bytes;
  return format == accel::weight_format::w8 ? 4 * line : format == accel::weight_format::w4 ? 2 * line : line;
}

/// Rows of `count` panels times the token.
template <uint32_t format, int count>
void avx2_panels(const MatrixView& m, const uint32_t* panels, const BlockView& block, float* output) {
  // Further ahead the lines push each other out of the first-level cache.
  constexpr size_t ahead = 2048;
  constexpr size_t group_bytes = avx2_group_bytes(format);
  Avx2PanelSums sums[count];
  for (uint32_t g = 0; g < m.groups; ++g) {
    const GroupPlace at = place_of(group_bytes, g);
    Avx2Group groups[count];
    for (int p = 0; p < count; ++p) {
      const uint8_t* panel = m.panels + panels[p] * m.panel_bytes;
      prefetch_group<ahead>(panel, group_bytes, g);
      groups[p] = {panel + at.codes, panel + at.zeros, reinterpret_cast<const uint16_t*>(panel + at.scales),
                   block.codes + size_t{g} * group_inputs, block.sums[g]};
    }
    add_group<format, count>(groups, sums);
  }
  constexpr int bias = format == accel::weight_format::w2s24 ? Avx2::bias : 0;
  for (int p = 0; p < count; ++p) {
    int64_t lanes[panel_rows];
    for (int half = 0; half < 2; ++half) sums[p][half].store(lanes + 8 * half);
    if (format == accel::weight_format::w2) {
      for (int64_t& lane : lanes) lane >>= 1;
    }
    const uint32_t row = panels[p] * panel_rows;
    finish_rows<bias, panel_rows>(m, row, lanes, block.scales[0], output + row);
  }
}

template <>
struct TokenProduct<Avx2> {
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       float* output) {
    switch (m.format) {
      case accel::weight_format::w2s24:
        return multiply_as<accel::weight_format::w2s24>(m, block, first, last, output);
      case accel::weight_format::w2:
        return multiply_as<accel::weight_format::w2>(m, block, first, last, output);
      case accel::weight_format::w4:
        return multiply_as<accel::weight_format::w4>(m, block, first, last, output);
      default:
        return multiply_as<accel::weight_format::w8>(m, block, first, last, output);
    }
  }

 private:
  template <uint32_t format>
  static void multiply_as(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                          float* output) {
    const uint32_t half = (last - first) / 2;
    for (uint32_t i = first; i < first + half; ++i) {
      const uint32_t pair[] = {i, i + half};
      avx2_panels<format, 2>(m, pair, block, output);
    }
    const uint32_t odd = last - 1;
    if ((last - first) % 2 != 0) avx2_panels<format, 1>(m, &odd, block, output);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
