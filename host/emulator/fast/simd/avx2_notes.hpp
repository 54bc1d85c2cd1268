#pragma once

#include <algorithm>

#include "../panel.hpp"
#include "avx2.hpp"

/// \file
/// What AVX2 notes of two-bit panels: the largest magnitude of a weight, |2c - zh|, in each set of groups. It
/// decides how many products add up in 16 bits.

namespace accllm::emulator::fast {
namespace {

/// Notes a panel's sets, when its zero-points still lie in order.
inline void note_weights(const MatrixView& m, uint32_t index, const uint8_t* panel, uint8_t* notes) {
  const uint32_t left = m.rows - index * panel_rows;
  const uint32_t rows = left < panel_rows ? left : panel_rows;
  for (uint32_t g = 0; g < m.groups; ++g) {
    const uint8_t* zeros = panel + place_of(m.group_bytes, g).zeros;
    uint8_t most = g % set_groups == 0 ? 0 : notes[g / set_groups];
    for (uint32_t r = 0; r < rows; ++r) {
      const auto largest = static_cast<uint8_t>(zeros[r] > 6 - zeros[r] ? zeros[r] : 6 - zeros[r]);
      most = largest > most ? largest : most;
    }
    notes[g / set_groups] = most;
  }
}

/// The same of a compact panel, in which what the matrix does not have counts as small.
inline void note_compact_weights(const MatrixView& m, const uint8_t* panel, uint8_t* notes) {
  const __m256i nibble = _mm256_set1_epi8(15);
  const __m256i six = _mm256_set1_epi8(6);
  for (uint32_t set = 0; set < set_count(m.groups); ++set) {
    const auto zeros = load_as<__m256i>(panel + set * compact_set_bytes);
    __m256i most = _mm256_setzero_si256();
    for (const __m256i codes : {zeros & nibble, _mm256_srli_epi16(zeros, 4) & nibble}) {
      most = _mm256_max_epi8(most, codes);
      most = _mm256_max_epi8(most, _mm256_sub_epi8(six, codes));
    }
    uint8_t each[sizeof most];
    store_as(each, most);
    notes[set] = *std::max_element(each, each + sizeof each);
  }
}

inline const uint8_t* panel_notes(const MatrixView& m, uint32_t index) {
  return m.notes + size_t{index} * set_count(m.groups);
}

/// The largest weight of the sets of groups first .. last - 1.
inline uint32_t most_noted(const uint8_t* notes, uint32_t first, uint32_t last) {
  uint32_t most = 0;
  for (uint32_t set = first / set_groups; set < set_count(last); ++set)
    most = notes[set] > most ? notes[set] : most;
  return most;
}

}  // namespace
}  // namespace accllm::emulator::fast
