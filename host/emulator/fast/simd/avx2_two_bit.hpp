#pragma once

#include "avx2_block.hpp"
#include "avx2_compact.hpp"
#include "avx2_kept.hpp"

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

/// Zero codes of a group of eight rows as bytes of their lanes, and the bytes of their scales.
template <bool compact>
__m256i dense_grid(const uint8_t* panel, uint32_t group, uint32_t half, ScaleBytes& scales) {
  const GroupPlace at = two_bit_place_of<compact>(group);
  if (compact) {
    constexpr uint32_t pairs = 2 * Avx2::lanes;
    scales.high[half] = group_scales(pair_scales(panel + at.scales + half * pairs), group % 2);
    return compact_zeros(panel + at.zeros + half * pairs, group % set_groups);
  }
  const auto* words = reinterpret_cast<const uint16_t*>(panel + at.scales);
  const __m256i once = __m256i(Avx2::widen(words + half * Avx2::lanes));
  split_scales(_mm256_or_si256(once, _mm256_slli_epi32(once, 16)), scales, half);
  return __m256i(Avx2::spread(panel + at.zeros + half * Avx2::lanes));
}

/// A dense group of a panel.
template <bool compact>
void unpack_dense(const uint8_t* panel, uint32_t group, UnpackedGroup* out, ScaleBytes& scales) {
  const uint8_t* codes = panel + two_bit_place_of<compact>(group).codes;
  for (uint32_t h = 0; h < halves; ++h) {
    const auto zeros = Avx2::U8(dense_grid<compact>(panel, group, h, scales));
    unpack_weights<Avx2, 1>(codes + h * sizeof(__m256i), zeros, reinterpret_cast<uint8_t*>(out[h]));
  }
}

/// Zero codes of a 2:4 group as bytes of the rows' lanes, [halves], and the bytes of their scales.
template <bool compact>
void kept_grid(const uint8_t* panel, uint32_t group, Avx2::U8* zeros, ScaleBytes& scales) {
  const GroupPlace at = two_bit_place_of<compact>(group);
  if (compact) {
    // From their order in words to that of rows.
    alignas(32) uint8_t pairs[2 * panel_rows];
    store_as(pairs, _mm256_permute4x64_epi64(load_256(panel + at.zeros), 0xd8));
    for (uint32_t h = 0; h < halves; ++h) {
      constexpr uint32_t half = 2 * Avx2::lanes;
      zeros[h] = Avx2::U8(compact_zeros(pairs + h * half, group % set_groups));
      scales.high[h] = group_scales(pair_scales(panel + at.scales + h * half), group % 2);
    }
    return;
  }
  alignas(16) uint8_t codes[panel_rows];
  store_as(codes, reorder_rows(load_as<__m128i>(panel + at.zeros)));
  const uint8_t* pair = panel + place_of(two_bit_group_bytes, group / 2 * 2).scales;
  for (uint32_t h = 0; h < halves; ++h) {
    zeros[h] = Avx2::spread(codes + h * Avx2::lanes);
    // The group's own of the two scales in a lane, in both places.
    const __m256i both = load_256(pair + h * sizeof(__m256i));
    split_scales(group % 2 == 0 ? _mm256_blend_epi16(both, _mm256_slli_epi32(both, 16), 0xaa)
                                : _mm256_blend_epi16(both, _mm256_srli_epi32(both, 16), 0x55),
                 scales, h);
  }
}

/// A 2:4 group of a panel, to the order of its chunks' lanes.
template <bool compact>
void unpack_kept(const uint8_t* panel, uint32_t group, UnpackedGroup* out, ScaleBytes& scales) {
  const uint8_t* codes = panel + two_bit_place_of<compact>(group).codes;
  Avx2::U8 zeros[halves];
  kept_grid<compact>(panel, group, zeros, scales);
  for (uint32_t c = 0; c < chunks; ++c) {
    const __m256i even = load_256(codes + c * line_bytes);
    const __m256i odd = load_256(codes + c * line_bytes + sizeof(__m256i));
    const __m256i lanes[halves] = {_mm256_unpacklo_epi16(even, odd), _mm256_unpackhi_epi16(even, odd)};
    for (uint32_t h = 0; h < halves; ++h) {
      for (int nibble = 0; nibble < 2; ++nibble) {
        const SparseHalf<Avx2> kept = sparse_half<Avx2>(Avx2::U8(lanes[h]), nibble, zeros[h]);
        out[h][4 * c + 2 * nibble] = __m256i(kept.index);
        out[h][4 * c + 2 * nibble + 1] = __m256i(kept.weight);
      }
    }
  }
}

/// Unpacks groups first .. last - 1 of a panel.
template <bool dense, bool compact>
void unpack_run(const uint8_t* panel, const uint8_t* notes, uint32_t first, uint32_t last, UnpackedRun& out) {
  out.most_weight = most_noted(notes, first, last);
  for (uint32_t g = first; g < last; ++g) {
    if (dense)
      unpack_dense<compact>(panel, g, out.vectors[g - first], out.scales[g - first]);
    else
      unpack_kept<compact>(panel, g, out.vectors[g - first], out.scales[g - first]);
  }
}

/// `count` vectors of weights of a dense group, [halves], from `first` on.
template <int tokens, uint32_t count>
[[gnu::always_inline]] inline void dense_sums(const UnpackedGroup* group, uint32_t first,
                                              const int8_t* activations, __m256i (&sums)[halves][tokens]) {
  // Straight-line code, in which sums stay in their registers.
#pragma GCC unroll 16
  for (uint32_t v = 0; v < count; ++v) {
    __m256i weights[halves];
    for (uint32_t h = 0; h < halves; ++h) weights[h] = load_once(&group[h][first + v]);
    for (int t = 0; t < tokens; ++t) {
      const __m256i quad = broadcast_quad(activations + t * group_inputs + 4 * (first + v));
      for (uint32_t h = 0; h < halves; ++h)
        sums[h][t] = v == 0 ? products(quad, weights[h]) : add_products(sums[h][t], quad, weights[h]);
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
