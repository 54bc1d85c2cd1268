#pragma once

#include "avx2_arranged.hpp"
#include "avx2_block.hpp"

/// \file
/// Two-bit weights, dense or 2:4, as AVX2 multiplies them with a block of tokens: signed bytes, zero-points
/// in them, times biased activations. Byte products add up in 16 bits, two sums a row, over as many inputs as
/// the weights' size allows.

namespace accllm::emulator::fast {
namespace {

/// Largest activation with its bias, and product of an activation and a weight that 16 bits hold.
constexpr uint32_t most_activation = 2 * Avx2::bias - 1;
constexpr uint32_t most_product = (1u << 15) - 1;

/// A group of eight rows, unpacked. Dense: weights, quad by quad. 2:4: positions and weights, in turns.
using UnpackedGroup = __m256i[group_inputs / 4];

/// A run of groups of a panel, unpacked.
struct UnpackedRun {
  UnpackedGroup vectors[run_groups][halves];
  ScaleBytes scales[run_groups];
  /// No weight's magnitude is above it.
  uint32_t most_weight;
};

/// Weights of a chunk of eight rows, whose words lie side by side in lanes, as bytes, quad by quad: inputs 2f,
/// 2f + 1, 2f + 8 and 2f + 9 of the chunk are quad f.
inline void unpack_chunk(__m256i words, __m256i zeros, __m256i* out) {
  // The code's bits side by side: bit 8 + 2f against bit 2f + 1.
  const __m256i differ = _mm256_and_si256(_mm256_xor_si256(words, _mm256_srli_epi16(words, 7)),
                                          _mm256_set1_epi16(0xaa));
  const __m256i codes = _mm256_xor_si256(words, _mm256_xor_si256(differ, _mm256_slli_epi16(differ, 7)));
  for (int f = 0; f < 4; ++f) {
    const __m256i field = f == 0 ? _mm256_add_epi16(codes, codes) : _mm256_srli_epi16(codes, 2 * f - 1);
    out[f] = _mm256_sub_epi8(_mm256_and_si256(field, _mm256_set1_epi8(6)), zeros);
  }
}

/// Positions and weights of a chunk of eight rows.
inline void unpack_kept_chunk(__m256i words, __m256i zeros, __m256i* out) {
  for (int half = 0; half < 2; ++half) {
    const SparseHalf<Avx2> kept = sparse_half<Avx2>(Avx2::U8(words), half, Avx2::U8(zeros));
    out[2 * half] = __m256i(kept.index);
    out[2 * half + 1] = __m256i(kept.weight);
  }
}

/// Scales of the pair's first group or of its second, in both places of a lane.
inline void unpack_scales(const uint8_t* pair, bool first, ScaleBytes& out) {
  for (uint32_t h = 0; h < halves; ++h) {
    const __m256i both = load_256(pair + h * sizeof(__m256i));
    const __m256i twice = first ? _mm256_blend_epi16(both, _mm256_slli_epi32(both, 16), 0xaa)
                                : _mm256_blend_epi16(both, _mm256_srli_epi32(both, 16), 0x55);
    split_scales(twice, out, h);
  }
}

/// Unpacks groups first .. last - 1 of a panel, of which `first` starts a set.
template <bool dense>
void unpack_run(const uint8_t* panel, const uint8_t* notes, uint32_t first, uint32_t last, UnpackedRun& out) {
  const __m256i spread = _mm256_setr_epi32(0, 0x01010101, 0x02020202, 0x03030303, 0x04040404, 0x05050505,
                                           0x06060606, 0x07070707);
  out.most_weight = 0;
  for (uint32_t g = first; g < last; ++g) {
    const uint32_t noted = notes[g / set_groups];
    if (noted > out.most_weight) out.most_weight = noted;
    const GroupPlace at = place_of(arranged_group_bytes, g);
    const __m256i rows = _mm256_broadcastsi128_si256(reorder_rows(load_as<__m128i>(panel + at.zeros)));
    const __m256i zeros[halves] = {
        _mm256_shuffle_epi8(rows, spread),
        _mm256_shuffle_epi8(rows, _mm256_add_epi8(spread, _mm256_set1_epi8(Avx2::lanes)))};
    UnpackedGroup* vectors = out.vectors[g - first];
    for (uint32_t c = 0; c < chunks; ++c) {
      const uint8_t* line = panel + at.codes + c * line_bytes;
      const __m256i even = load_256(line);
      const __m256i odd = load_256(line + sizeof(__m256i));
      const __m256i words[halves] = {_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd)};
      for (uint32_t h = 0; h < halves; ++h) {
        if (dense)
          unpack_chunk(words[h], zeros[h], vectors[h] + 4 * c);
        else
          unpack_kept_chunk(words[h], zeros[h], vectors[h] + 4 * c);
      }
    }
    unpack_scales(pair_scales(panel, g / 2 * 2), g % 2 == 0, out.scales[g - first]);
  }
}

/// `count` vectors of weights of a dense group, [halves], from `first` on.
template <int tokens, uint32_t count>
[[gnu::always_inline]] inline void dense_sums(const UnpackedGroup* group, uint32_t first,
                                              const int8_t* activations, __m256i (&sums)[halves][tokens]) {
  // Straight-line code, in which sums stay in their registers.
#pragma GCC unroll 16
  for (uint32_t v = 0; v < count; ++v) {
    __m256i quads[tokens];
    for (int t = 0; t < tokens; ++t)
      quads[t] = broadcast_quad(activations + t * group_inputs + 4 * (first + v));
    for (uint32_t h = 0; h < halves; ++h) {
      const __m256i weights = group[h][first + v];
      for (int t = 0; t < tokens; ++t)
        sums[h][t] = v == 0 ? products(quads[t], weights) : add_products(sums[h][t], quads[t], weights);
    }
  }
}

/// The same of a 2:4 group's kept weights.
template <int tokens, uint32_t count>
[[gnu::always_inline]] inline void kept_sums(const UnpackedGroup* group, uint32_t first,
                                             const int8_t* activations, __m256i (&sums)[halves][tokens]) {
#pragma GCC unroll 8
  for (uint32_t v = 0; v < count; ++v) {
    const uint32_t vector = 2 * (first + v);
    Avx2::U8 chunk[tokens];
    for (int t = 0; t < tokens; ++t)
      chunk[t] = Avx2::chunk(activations + t * group_inputs + vector / 4 * chunk_inputs);
    for (uint32_t h = 0; h < halves; ++h) {
      const auto places = Avx2::U8(group[h][vector]);
      const __m256i weights = group[h][vector + 1];
      for (int t = 0; t < tokens; ++t) {
        const auto picked = __m256i(Avx2::pick(chunk[t], places));
        sums[h][t] = v == 0 ? products(picked, weights) : add_products(sums[h][t], picked, weights);
      }
    }
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
