#pragma once

#include "avx2_sums.hpp"

/// \file
/// Zero codes and scales of compact panels (panel.hpp) with AVX2.

namespace accllm::emulator::fast {
namespace {

/// The nibbles of bytes that belong to group `in_set` of a set.
inline __m256i set_nibbles(__m256i bytes, uint32_t in_set) {
  return _mm256_and_si256(in_set < 2 ? bytes : _mm256_srli_epi16(bytes, 4), _mm256_set1_epi8(15));
}

/// Zero codes of group `in_set` of eight rows, from their pairs of bytes: four copies in a row's lane.
inline __m256i compact_zeros(const uint8_t* pairs, uint32_t in_set) {
  const __m256i lanes = _mm256_cvtepu16_epi32(load_as<__m128i>(pairs));
  const __m256i first = _mm256_setr_epi32(0, 0x04040404, 0x08080808, 0x0c0c0c0c,  //
                                          0, 0x04040404, 0x08080808, 0x0c0c0c0c);
  const __m256i own = _mm256_add_epi8(first, _mm256_set1_epi8(static_cast<char>(in_set % 2)));
  return set_nibbles(_mm256_shuffle_epi8(lanes, own), in_set);
}

/// Scales of eight rows' pair of groups, 16 bits each, from their pairs of bytes.
inline __m256i pair_scales(const uint8_t* pairs) { return _mm256_cvtepu8_epi16(load_as<__m128i>(pairs)); }

/// The scale of one of a pair's groups in both halves of the row's lane.
inline __m256i group_scales(__m256i pairs, uint32_t in_pair) {
  const __m256i first = _mm256_setr_epi8(0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13,  //
                                         0, 1, 0, 1, 4, 5, 4, 5, 8, 9, 8, 9, 12, 13, 12, 13);
  return _mm256_shuffle_epi8(pairs, _mm256_add_epi8(first, _mm256_set1_epi8(static_cast<char>(2 * in_pair))));
}

}  // namespace
}  // namespace accllm::emulator::fast
