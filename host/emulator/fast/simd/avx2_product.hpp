#pragma once

#include "avx2_compact_token.hpp"
#include "avx2_kept_token.hpp"

/// \file
/// Panels times one token with AVX2. Two panels that lie far apart go side by side: a core reads two distant
/// streams faster than one, and they share broadcast activations.

namespace accllm::emulator::fast {
namespace {

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
      for (int p = 0; p < count; ++p) groups[p].ask(c);
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
  } else {
    for (int p = 0; p < count; ++p) {
      parts[p][0] = Avx2Sums<format>::template of<true>(groups[p].half(0));
      parts[p][1] = Avx2Sums<format>::template of<false>(groups[p].half(1));
    }
  }
  for (int p = 0; p < count; ++p) {
    for (int half = 0; half < 2; ++half)
      sums[p][half].add_product(Avx2::I32(parts[p][half]), Avx2::widen(groups[p].half(half).scales));
  }
}

/// Bytes of codes of a group.
constexpr size_t avx2_group_bytes(uint32_t format) {
  return two_bit_group_bytes * accel::format_planes[format];
}

/// Rows of `count` panels times the token.
template <uint32_t format, int count>
void avx2_panels(const MatrixView& m, const uint32_t* panels, const BlockView& block, float* output) {
  constexpr size_t group_bytes = avx2_group_bytes(format);
  Avx2PanelSums sums[count];
  for (uint32_t g = 0; g < m.groups; ++g) {
    const GroupPlace at = place_of(group_bytes, g);
    Avx2Group groups[count];
    for (int p = 0; p < count; ++p) {
      const uint8_t* panel = m.panels + panels[p] * m.panel_bytes;
      groups[p] = {panel + at.codes, panel + at.zeros, reinterpret_cast<const uint16_t*>(panel + at.scales),
                   block.codes + size_t{g} * group_inputs, block.sums[g]};
      if (g % set_groups != 0) continue;
      // What stands before the codes of the set.
      for (int32_t i = set_codes_at / line_bytes; i > 0; --i) groups[p].ask(-i);
    }
    add_group<format, count>(groups, sums);
  }
  for (int p = 0; p < count; ++p) {
    int64_t lanes[panel_rows];
    for (int half = 0; half < 2; ++half) sums[p][half].store(lanes + 8 * half);
    if (format == accel::weight_format::w2) {
      for (int64_t& lane : lanes) lane >>= 1;
    }
    const uint32_t row = panels[p] * panel_rows;
    finish_rows<0, panel_rows>(m, row, lanes, block.scales[0], output + row);
  }
}

template <>
struct TokenProduct<Avx2> {
  template <uint32_t format>
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       float* output) {
    if constexpr (format == accel::weight_format::w2s24) {
      distant_panels<4>(first, last, [&](auto count, const uint32_t* panels) {
        if (m.compact)
          KeptPanels<count, true>(m, panels, block).multiply(output);
        else
          KeptPanels<count, false>(m, panels, block).multiply(output);
      });
    } else if (format == accel::weight_format::w2 && m.compact) {
      distant_panels<2>(first, last, [&](auto count, const uint32_t* panels) {
        CompactPanels<count>(m, panels, block).multiply(output);
      });
    } else {
      distant_panels<2>(first, last, [&](auto count, const uint32_t* panels) {
        avx2_panels<format, count>(m, panels, block, output);
      });
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
