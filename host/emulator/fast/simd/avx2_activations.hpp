#pragma once

#include "arrangement.hpp"
#include "avx2_block.hpp"
#include "avx2_kept.hpp"

/// \file
/// Activations as AVX2's products want them.

namespace accllm::emulator::fast {
namespace {

/// Bytes of a group's tables, one of sixteen bytes a quad of inputs.
constexpr size_t table_bytes = group_inputs / 4 * sizeof(__m128i);

/// Two quads' tables of activations, made positive: nibbles of kept weights (panel.hpp) find theirs.
inline __m256i pick_tables(const int8_t* two_quads) {
  const __m256i places = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3,  //
                                          4, 5, 4, 5, 4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7);
  const __m256i eight = _mm256_set1_epi64x(load_as<int64_t>(two_quads));
  return _mm256_add_epi8(_mm256_shuffle_epi8(eight, places), __m256i(Avx2::fill_bytes(Avx2::bias)));
}

template <>
struct Arrangement<Avx2> {
  static constexpr bool compact = true;

  static void arrange(const MatrixView& m, uint32_t index, uint8_t* panel, uint8_t* notes) {
    if (!two_bit(m.format)) return;
    if (m.compact)
      note_compact_weights(m, panel, notes);
    else
      note_weights(m, index, panel, notes);
    if (m.format == accel::weight_format::w2s24) arrange_kept(m, panel);
  }

  static Packing packing(uint32_t format, uint32_t tokens) {
    if (format == accel::weight_format::w2s24)
      return tokens == 1 ? Packing::kept_tables : Packing::sparse_biased;
    return common_packing<Avx2>(format, tokens);
  }

  static void pack(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens,
                   Packing packing, int8_t* codes, int32_t* sums) {
    if (packing != Packing::kept_tables)
      return common_pack<Avx2>(activations, groups, token, tokens, packing, codes, sums);
    for (uint32_t g = 0; g < groups; ++g) {
      for (uint32_t i = 0; i < group_inputs; i += 8) {
        const uint32_t from = g * group_inputs + i;
        store_as(codes + from / 4 * sizeof(__m128i), pick_tables(activations + from));
      }
    }
    // Of a group that is missing in the last pair: its scales are 0, but it is looked up.
    if (groups % 2 != 0) std::memset(codes + groups * table_bytes, 0, table_bytes);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
