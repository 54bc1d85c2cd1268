#pragma once

#include "avx2_sums.hpp"
#include "block_product.hpp"

/// \file
/// How AVX2 multiplies W4 and W8 with a block: unsigned codes times signed activations, whose products are
/// added in 16 bits for as long as that is exact; zero-points are taken off once a group.

namespace accllm::emulator::fast {
namespace {

template <>
struct BlockForm<Avx2> {
  using I32 = Avx2::I32;
  using U8 = Avx2::U8;

  static constexpr Packing dense_packing(uint32_t format) {
    return format == accel::weight_format::w2 ? Packing::dense_biased : Packing::dense;
  }

  /// Codes of a W4 group as bytes, quad by quad, or of a W8 group as high and low nibbles.
  template <int planes>
  static void unpack_dense(const uint8_t* lines, U8, uint8_t* out) {
    constexpr int fields = planes == 4 ? 1 : 2;
    const U8 mask = Avx2::fill_bytes(15);
    for (uint32_t c = 0; c < chunks; ++c) {
      for (int line = 0; line < planes; ++line) {
        const I32 word = load_as<I32>(lines + (c * planes + line) * line_bytes);
        for (int f = 0; f < fields; ++f) {
          const uint32_t quad = c * 4 + f * planes + line;
          const U8 code = U8(word >> (4 * f)) & mask;
          if (planes == 4) {
            store_as(out + 2 * quad * sizeof(U8), U8(word >> 4) & mask);
            store_as(out + (2 * quad + 1) * sizeof(U8), code);
          } else {
            store_as(out + quad * sizeof(U8), code);
          }
        }
      }
    }
  }

  /// Sums of (2 c - zh) * a over one group, [parts][tokens].
  template <int parts, int tokens, uint32_t format>
  static void group_sums(const RowPart<Avx2>* part, const BlockView& block, const BlockAt& at,
                         I32 (*sums)[tokens]) {
    using Tile = __m256i[parts][tokens];
    const int8_t* activations = block.codes + (size_t{at.group} * block.tokens + at.token) * group_inputs;
    const uint8_t* weights[parts];
    for (int p = 0; p < parts; ++p) weights[p] = part[p].vectors(at.unpacked, format);
    Tile wide = {};
    // 16 products of 15 * 127 make 30,480. Of W8 so far the high nibbles.
    constexpr uint32_t stride = format == accel::weight_format::w8 ? 2 : 1;
    add_steps<parts, tokens, stride>(weights, activations, 0, wide);
    add_steps<parts, tokens, stride>(weights, activations, 8, wide);
    const int32_t* activation_sums = block.sums + size_t{at.group} * block.tokens + at.token;
    for (int p = 0; p < parts; ++p) {
      for (int t = 0; t < tokens; ++t) {
        const __m256i zeros = zeros_times(part[p].zeros(at.group), activation_sums[t]);
        wide[p][t] = _mm256_sub_epi32(wide[p][t], zeros);
      }
    }
    if (format == accel::weight_format::w8) {
      for (int p = 0; p < parts; ++p) {
        for (int t = 0; t < tokens; ++t) wide[p][t] = _mm256_slli_epi32(wide[p][t], 4);
        weights[p] += sizeof(U8);
      }
      add_steps<parts, tokens, stride>(weights, activations, 0, wide);
      add_steps<parts, tokens, stride>(weights, activations, 8, wide);
    }
    for (int p = 0; p < parts; ++p) {
      for (int t = 0; t < tokens; ++t) sums[p][t] = I32(wide[p][t]);
    }
  }

 private:
  /// Adds twice the products of eight quads from `first` on; a quad's codes are every `stride`-th vector.
  template <int parts, int tokens, uint32_t stride>
  static void add_steps(const uint8_t* const* weights, const int8_t* activations, uint32_t first,
                        __m256i (*wide)[tokens]) {
    __m256i narrow[parts][tokens];
    // Straight-line code, in which sums stay in their registers.
#pragma GCC unroll 8
    for (uint32_t v = first; v < first + 8; ++v) {
      __m256i codes[parts];
      for (int p = 0; p < parts; ++p) codes[p] = load_256(weights[p] + v * stride * sizeof(U8));
      for (int t = 0; t < tokens; ++t) {
        const __m256i quad = broadcast_quad(activations + t * group_inputs + 4 * v);
        for (int p = 0; p < parts; ++p)
          narrow[p][t] = v == first ? products(codes[p], quad) : add_products(narrow[p][t], codes[p], quad);
      }
    }
    for (int p = 0; p < parts; ++p) {
      for (int t = 0; t < tokens; ++t) wide[p][t] = _mm256_add_epi32(wide[p][t], widen_sums(narrow[p][t], 2));
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
