#pragma once

#include "avx512_sums.hpp"
#include "avx512_two_bit.hpp"

/// \file
/// Sets of groups of two-bit weights, unpacked for the tokens of a block with AVX-512.
///
/// A group's sums go into the low halves of rows' lanes, which 16 bits have to hold. Dense: sums of codes
/// times activations; in the high halves is the activations' sum, which there meets zero-points, so that
/// these may be of any size. 2:4: weights with their zero-points, times biased activations; every sum starts
/// at a constant that brings what it can become around zero. What that adds to a row is the same for all
/// tokens and is taken off at its end.

namespace accllm::emulator::fast {
namespace {

/// A group of a panel.
struct UnpackedGroup {
  /// Dense: codes, quad by quad. 2:4: places and weights, in turns.
  __m512i vectors[group_inputs / 4];
  /// Bytes of scales for the lanes' low halves, of dense ones twice, and in the high halves, times
  /// zero-points, negative.
  ByteSums scales;
  /// Where sums start: of a whole 2:4 group, or of each of its halves.
  __m512i start;
};

/// Kept weights of a group, the largest zero-points with which the sums of a group and of half a group fit 16
/// bits, and the largest biased activation.
constexpr int32_t kept_inputs = group_inputs / 2;
constexpr int32_t most_whole_zero = 8;
constexpr int32_t most_kept_zero = 15;
constexpr int32_t most_biased = 2 * Avx512::bias - 1;

/// Where the sum of a whole group starts. It lies between -zero and 6 - zero, or 0, times most_biased *
/// kept_inputs; half a group's between half of that.
inline Avx512::I32 start_of(Avx512::I32 zeros) {
  const Avx512::I32 above = zeros > 6 ? Avx512::I32{} : 6 - zeros;
  return (zeros - above) * (most_biased * kept_inputs / 2);
}
static_assert(most_biased * kept_inputs / 2 * most_whole_zero < 1 << 15);
static_assert(most_biased * kept_inputs / 4 * most_kept_zero < 1 << 15);

/// Zero-points and scales of a group of a set, a lane a row.
struct GroupPoints {
  Avx512::I32 zeros;
  Avx512::I32 scales;

  GroupPoints(const uint8_t* set, uint32_t in_set) {
    // Of groups 0, 2, 1 and 3.
    constexpr int places[set_groups] = {0, 16, 8, 24};
    zeros = (load_as<Avx512::I32>(set) >> places[in_set]) & 255;
    scales = (load_as<Avx512::I32>(set + pair_scales_at(in_set)) >> (in_set % 2 * 16)) & 0xffff;
  }
};

/// Where a dense group's sums start: with the activations' sum in the high half, the low one in the middle of
/// what sixteen bits without sign hold, so that nothing is borrowed.
inline int32_t dense_start(int32_t activation_sum) { return activation_sum * (1 << 16) + (1 << 15); }
static_assert(3 * most_activation_sum < 1 << 15);

/// The low halves as numbers with sign.
inline __m512i dense_halves(__m512i sums) { return _mm512_xor_si512(sums, _mm512_set1_epi32(1 << 15)); }

inline void unpack_dense(const uint8_t* set, uint32_t in_set, UnpackedGroup& out) {
  using U8 = Avx512::U8;
  const uint8_t* lines = set + place_of(two_bit_group_bytes, in_set).codes;
  for (uint32_t c = 0; c < chunks; ++c) {
    const auto word = load_as<Avx512::I32>(lines + c * line_bytes);
    for (int f = 0; f < 4; ++f) out.vectors[4 * c + f] = __m512i(U8(word >> (2 * f)) & Avx512::fill_bytes(3));
  }
  const GroupPoints points(set, in_set);
  const auto with_zeros = [&](Avx512::I32 bytes) {
    return __m512i(2 * bytes - ((bytes * points.zeros) << 16));
  };
  out.scales = {with_zeros(points.scales >> 8), with_zeros(points.scales & 255)};
}

/// `halves`: whether sums are of half a group. \return what the starts add to the rows.
inline void unpack_kept(const uint8_t* set, uint32_t in_set, bool halves, UnpackedGroup& out,
                        Avx512::Sum& added) {
  const uint8_t* lines = set + place_of(two_bit_group_bytes, in_set).codes;
  const GroupPoints points(set, in_set);
  // In all four bytes of a lane.
  const auto zeros = Avx512::U8(points.zeros * 0x01010101);
  for (uint32_t c = 0; c < chunks; ++c) {
    for (int half = 0; half < 2; ++half) {
      const auto line = load_as<Avx512::U8>(lines + c * line_bytes);
      const SparseHalf<Avx512> kept = sparse_half<Avx512>(line, half, zeros);
      out.vectors[4 * c + 2 * half] = __m512i(kept.index);
      out.vectors[4 * c + 2 * half + 1] = __m512i(kept.weight);
    }
  }
  out.scales = {__m512i(points.scales >> 8), __m512i(points.scales & 255)};
  const Avx512::I32 whole = start_of(points.zeros);
  out.start = __m512i(halves ? whole >> 1 : whole);
  added.add_product(whole, points.scales);
}

/// Whether a set has zero-points of which only half a group's sums fit 16 bits.
inline bool large_zeros(const uint8_t* set) {
  return _mm512_cmpgt_epu8_mask(load_512(set), _mm512_set1_epi8(most_whole_zero)) != 0;
}

}  // namespace
}  // namespace accllm::emulator::fast
