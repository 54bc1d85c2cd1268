#pragma once

#include "avx2_token.hpp"

/// \file
/// Panels times one token with AVX2: two-bit weights by look-ups, four and eight bits by products. Panels that
/// lie far apart go side by side: a core reads distant streams faster than one.

namespace accllm::emulator::fast {
namespace {

/// The 64-bit sums of a panel's rows, eight and eight.
using Avx2PanelSums = Avx2::Sum[2];

/// Adds a group of `count` panels to their sums.
template <uint32_t format, int count>
void add_group(const Avx2Group* groups, Avx2PanelSums* sums) {
  for (int p = 0; p < count; ++p) {
    const __m256i parts[] = {Avx2Sums<format>::template of<true>(groups[p].half(0)),
                             Avx2Sums<format>::template of<false>(groups[p].half(1))};
    for (int half = 0; half < 2; ++half)
      sums[p][half].add_product(Avx2::I32(parts[half]), Avx2::widen(groups[p].half(half).scales));
  }
}

/// Bytes of codes of a group.
constexpr size_t avx2_group_bytes(uint32_t format) {
  constexpr size_t line = size_t{chunks} * line_bytes;
  return format == accel::weight_format::w8 ? 4 * line : 2 * line;
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
    const uint32_t row = panels[p] * panel_rows;
    finish_rows<0, panel_rows>(m, row, lanes, block.scales[0], output + row);
  }
}

template <>
struct TokenProduct<Avx2> {
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       float* output) {
    switch (m.format) {
      case accel::weight_format::w2s24:
        return look_up<false>(m, block, first, last, output);
      case accel::weight_format::w2:
        return look_up<true>(m, block, first, last, output);
      case accel::weight_format::w4:
        return multiply_as<accel::weight_format::w4>(m, block, first, last, output);
      default:
        return multiply_as<accel::weight_format::w8>(m, block, first, last, output);
    }
  }

 private:
  template <bool dense>
  static void look_up(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                      float* output) {
    side_by_side<4>(
        first, last,
        [&](const uint32_t* panels) { TokenPanels<dense, 4>(m, panels, block).multiply(output); },
        [&](uint32_t panel) { TokenPanels<dense, 1>(m, &panel, block).multiply(output); });
  }

  template <uint32_t format>
  static void multiply_as(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                          float* output) {
    side_by_side<2>(
        first, last, [&](const uint32_t* panels) { avx2_panels<format, 2>(m, panels, block, output); },
        [&](uint32_t panel) { avx2_panels<format, 1>(m, &panel, block, output); });
  }

  /// Calls `several` for `count` panels at a time, from as many equal parts, and `one` for each that is left.
  template <uint32_t count, class Several, class One>
  static void side_by_side(uint32_t first, uint32_t last, const Several& several, const One& one) {
    const uint32_t part = (last - first) / count;
    for (uint32_t i = first; i < first + part; ++i) {
      uint32_t panels[count];
      for (uint32_t p = 0; p < count; ++p) panels[p] = i + p * part;
      several(panels);
    }
    for (uint32_t i = first + count * part; i < last; ++i) one(i);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
