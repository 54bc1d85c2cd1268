#pragma once

#include "avx2_notes.hpp"
#include "avx2_scaled_sums.hpp"

/// \file
/// Panels of 2:4 weights as AVX2 keeps them: a 16-bit word a row, so that a vector holds one quad's kept
/// weights of all sixteen rows, whose nibbles find their activations in one table (avx2_kept_token.hpp). A
/// group is eight vectors; vector v has quad 4c + v mod 2 (c is v div 2) in low nibbles and quad 4c + v mod 2
/// + 2 in high ones; byte k of a word is the kept weight k, its nibble as in panel.hpp. Words and zero-points
/// are in an order of rows that interleaves of 16 bits put right: 0 to 3, 8 to 11, 4 to 7, 12 to 15. Scales
/// lie in pairs of groups: for each row those of both. In compact panels only words, and the zero codes'
/// pairs of bytes, are put in order.

namespace accllm::emulator::fast {
namespace {

constexpr uint32_t group_vectors = 8;
static_assert(group_vectors * sizeof(__m256i) == two_bit_group_bytes);

/// From a panel's rows in order to their order in words and back, by fours.
inline __m128i reorder_rows(__m128i bytes) { return _mm_shuffle_epi32(bytes, 0xd8); }

/// Codes of a chunk from 32-bit lanes to words.
inline void arrange_chunk(uint8_t* line) {
  const __m256i low = _mm256_set1_epi32(0xffff);
  const __m256i first = load_256(line);
  const __m256i second = load_256(line + sizeof(__m256i));
  store_as(line, _mm256_packus_epi32(_mm256_and_si256(first, low), _mm256_and_si256(second, low)));
  store_as(line + sizeof(__m256i),
           _mm256_packus_epi32(_mm256_srli_epi32(first, 16), _mm256_srli_epi32(second, 16)));
}

/// Scales of a pair of groups, sixteen rows each, to one lane a row.
inline void arrange_scales(uint8_t* scales) {
  const __m256i first = _mm256_permute4x64_epi64(load_256(scales), 0xd8);
  const __m256i second = _mm256_permute4x64_epi64(load_256(scales + sizeof(__m256i)), 0xd8);
  store_as(scales, _mm256_unpacklo_epi16(first, second));
  store_as(scales + sizeof(__m256i), _mm256_unpackhi_epi16(first, second));
}

/// Zero codes and scales of the `groups` groups of a set, whose first is at `at`. A group that is missing
/// gets scales of 0.
inline void arrange_grids(uint8_t* panel, const GroupPlace& at, uint32_t groups) {
  for (uint32_t g = 0; g < groups; ++g) {
    uint8_t* zeros = panel + at.zeros + g * panel_rows;
    store_as(zeros, reorder_rows(load_as<__m128i>(zeros)));
  }
  uint8_t* scales = panel + at.scales;
  constexpr size_t scale_bytes = panel_rows * sizeof(uint16_t);
  std::memset(scales + groups * scale_bytes, 0, (set_groups - groups) * scale_bytes);
  for (uint32_t g = 0; g < set_groups; g += 2) arrange_scales(scales + g * scale_bytes);
}

/// Brings a panel of 2:4 weights into this order.
inline void arrange_kept(const MatrixView& m, uint8_t* panel) {
  for (uint32_t first = 0; first < m.groups; first += set_groups) {
    const uint32_t groups = m.groups - first < set_groups ? m.groups - first : set_groups;
    const GroupPlace at = place_of(m, first);
    if (m.compact) {
      uint8_t* zeros = panel + at.zeros;
      store_as(zeros, _mm256_permute4x64_epi64(load_256(zeros), 0xd8));
    } else {
      arrange_grids(panel, at, groups);
    }
    for (uint32_t c = 0; c < groups * chunks; ++c) arrange_chunk(panel + at.codes + c * line_bytes);
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
