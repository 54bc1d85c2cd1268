#pragma once

#include "arrangement.hpp"
#include "avx512.hpp"

/// \file
/// How AVX-512 keeps panels of two-bit weights, dense or 2:4. Codes stay as they are laid (panel.hpp). Of a
/// set of groups zero-points are four bytes a row, those of groups 0, 2, 1 and 3, and scales are in pairs of
/// groups, for each row those of both: 16 bits a group in a row's 32-bit lane.

namespace accllm::emulator::fast {
namespace {

/// Where the scales of the pair of groups lie that `group` is in.
constexpr size_t pair_scales_at(uint32_t group) {
  return place_of(two_bit_group_bytes, group / 2 * 2).scales;
}

/// Zero-points of the groups `in_set` and the next one of a set, 16 bits each.
template <uint32_t in_set>
__m512i pair_zeros(__m512i zeros) {
  return in_set == 0 ? _mm512_and_si512(zeros, _mm512_set1_epi32(0x00ff00ff)) : _mm512_srli_epi16(zeros, 8);
}

/// Brings a panel into this order. A group that is missing in the last set has scales and zero-points of 0.
inline void arrange_two_bit(const MatrixView& m, uint8_t* panel) {
  using I32 = Avx512::I32;
  for (uint32_t first = 0; first < m.groups; first += set_groups) {
    I32 zeros[set_groups] = {};
    I32 scales[set_groups] = {};
    for (uint32_t g = 0; g < set_groups && first + g < m.groups; ++g) {
      const GroupPlace at = place_of(two_bit_group_bytes, first + g);
      zeros[g] = Avx512::widen(panel + at.zeros);
      scales[g] = Avx512::widen(reinterpret_cast<const uint16_t*>(panel + at.scales));
    }
    store_as(panel + place_of(two_bit_group_bytes, first).zeros,
             zeros[0] | (zeros[2] << 8) | (zeros[1] << 16) | (zeros[3] << 24));
    store_as(panel + pair_scales_at(first), scales[0] | (scales[1] << 16));
    store_as(panel + pair_scales_at(first + 2), scales[2] | (scales[3] << 16));
  }
}

template <>
struct Arrangement<Avx512> {
  static constexpr bool compact = false;

  static void arrange(const MatrixView& m, uint32_t, uint8_t* panel, uint8_t*) {
    if (two_bit(m.format)) arrange_two_bit(m, panel);
  }

  static Packing packing(uint32_t format, uint32_t tokens) {
    if (format == accel::weight_format::w2) return Packing::dense;
    if (format == accel::weight_format::w2s24 && tokens == 1) return Packing::sparse;
    return common_packing<Avx512>(format, tokens);
  }

  static void pack(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens,
                   Packing packing, int8_t* codes, int32_t* sums) {
    common_pack<Avx512>(activations, groups, token, tokens, packing, codes, sums);
    // Of a group that is missing in the last pair: its scales are 0, but it is multiplied.
    if (groups % 2 == 0) return;
    const size_t missing = size_t{groups} * tokens + token;
    std::memset(codes + missing * group_inputs, 0, group_inputs);
    sums[missing] = 0;
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
