#pragma once

#include "arrangement.hpp"
#include "avx2_arranged.hpp"

/// \file
/// Activations as AVX2's two-bit products want them; for one token as tables that look-ups find sums or
/// activations in, one or two of sixteen bytes a quad of inputs.

namespace accllm::emulator::fast {
namespace {

constexpr uint32_t group_quads = group_inputs / 4;
/// Bits of a sum that the low table holds. Eight of its bytes add up to at most 248, and of the high table's,
/// which are signed, to -128 to 120.
constexpr int low_bits = 5;
static_assert(4 * 128 <= 16 << low_bits);

/// Bytes of tables of a group and one token.
constexpr size_t table_bytes(bool dense) { return group_quads * sizeof(__m128i) * (dense ? 2 : 1); }

/// Of a quad of activations the sixteen sums of those whose bits are set in the index: low bits, high bits.
inline __m256i sum_table(const int8_t* quad) {
  // Bits 0 and 1 of the indices 0 .. 15, and bits 2 and 3.
  const __m256i low_pairs = _mm256_setr_epi8(0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1,  //
                                             0, 0, 1, 0, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 1);
  const __m256i high_pairs = _mm256_setr_epi8(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 1, 0, 1, 0,  //
                                              0, 1, 0, 1, 0, 1, 0, 1, 1, 1, 1, 1, 1, 1, 1, 1);
  const __m256i sums =
      _mm256_add_epi16(_mm256_maddubs_epi16(low_pairs, _mm256_set1_epi16(load_as<int16_t>(quad))),
                       _mm256_maddubs_epi16(high_pairs, _mm256_set1_epi16(load_as<int16_t>(quad + 2))));
  const __m256i low = _mm256_and_si256(sums, _mm256_set1_epi16((1 << low_bits) - 1));
  return _mm256_permute4x64_epi64(_mm256_packs_epi16(low, _mm256_srai_epi16(sums, low_bits)), 0xd8);
}

/// Two quads' tables of activations, made positive: nibbles of kept weights (panel.hpp) find theirs.
inline __m256i pick_tables(const int8_t* two_quads) {
  const __m256i places = _mm256_setr_epi8(0, 1, 0, 1, 0, 1, 0, 1, 2, 3, 2, 3, 2, 3, 2, 3,  //
                                          4, 5, 4, 5, 4, 5, 4, 5, 6, 7, 6, 7, 6, 7, 6, 7);
  const __m256i eight = _mm256_set1_epi64x(load_as<int64_t>(two_quads));
  return _mm256_add_epi8(_mm256_shuffle_epi8(eight, places), _mm256_set1_epi8(-128));
}

template <>
struct Arrangement<Avx2> {
  static void arrange(const MatrixView& m, uint32_t index, uint8_t* panel, uint8_t* notes) {
    if (m.format == accel::weight_format::w2s24)
      arrange_panel<false>(m, index, panel, notes);
    else
      arrange_panel<true>(m, index, panel, notes);
  }

  static Packing packing(uint32_t format, uint32_t tokens) {
    switch (format) {
      case accel::weight_format::w2s24:
        return tokens == 1 ? Packing::sparse_tables : Packing::sparse_biased;
      case accel::weight_format::w2:
        return tokens == 1 ? Packing::dense_tables : Packing::dense_arranged;
      default:
        return Packing::dense;
    }
  }

  static void pack(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens,
                   Packing packing, int8_t* codes, int32_t* sums) {
    static constexpr uint8_t dense[chunk_inputs] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    static constexpr uint8_t sparse[chunk_inputs] = {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
    static constexpr uint8_t arranged[chunk_inputs] = {0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15};
    switch (packing) {
      case Packing::dense_tables:
        return make_tables<true>(activations, groups, codes, sums);
      case Packing::sparse_tables:
        return make_tables<false>(activations, groups, codes, sums);
      case Packing::dense_arranged:
        return pack_in_order<Avx2>(activations, groups, token, tokens, arranged, Avx2::bias, codes, sums);
      case Packing::sparse_biased:
        return pack_in_order<Avx2>(activations, groups, token, tokens, sparse, Avx2::bias, codes, sums);
      default:
        return pack_in_order<Avx2>(activations, groups, token, tokens, dense, 0, codes, sums);
    }
  }

 private:
  /// Of whole pairs of groups: what is missing in the last one has scales of 0, but is looked up.
  template <bool dense>
  static void make_tables(const int8_t* activations, uint32_t groups, int8_t* codes, int32_t* sums) {
    for (uint32_t g = 0; g < groups; ++g) {
      const int8_t* group = activations + size_t{g} * group_inputs;
      auto* tables = reinterpret_cast<__m256i*>(codes + g * table_bytes(dense));
      if (dense) {
        for (uint32_t q = 0; q < group_quads; ++q) tables[q] = sum_table(group + 4 * q);
      } else {
        for (uint32_t q = 0; q < group_quads; q += 2) tables[q / 2] = pick_tables(group + 4 * q);
      }
      sums[g] = sum_of_group(group);
    }
    if (groups % 2 == 0) return;
    std::memset(codes + groups * table_bytes(dense), 0, table_bytes(dense));
    sums[groups] = 0;
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
