#pragma once

#include <type_traits>

#include "../kernels.hpp"
#include "accllm/generated/format.hpp"
#include "vector.hpp"

/// \file
/// Rows times one token, from packed codes. The 64-bit sums of a panel's rows are left in `Sum`.

namespace accllm::emulator::fast {
namespace {

/// 2^(e-1) times the token's scale, times the sum: the end of `count` rows (docs/numerics.md, "matmul"). The
/// activations were made larger by `bias`.
template <int bias, uint32_t count>
void finish_rows(const MatrixView& m, uint32_t row, const int64_t* sums, float scale, float* out) {
  float values[count];
  for (uint32_t i = 0; i < count; ++i) {
    const int32_t exponent = (m.exponents[row + i] - 1 + 127) * (1 << 23);
    const int64_t sum = sums[i] - bias * m.weight_sums[row + i];
    values[i] = nearest_float(sum) * (scale * load_as<float>(&exponent));
  }
  const uint32_t left = m.rows - row < count ? m.rows - row : count;
  if (row < m.rows) std::memcpy(out, values, left * sizeof(float));
}

inline void prefetch_lines(const uint8_t* from, size_t bytes) {
  for (size_t i = 0; i < bytes; i += line_bytes) __builtin_prefetch(from + i, 0, 2);
}

/// How far ahead the levels ask that have no product of their own: the hardware alone does not keep up with a
/// core that only streams. Codes are asked for line by line, as a group's at once would fill the core's queue
/// of misses.
constexpr size_t prefetch_ahead = 8192;

/// Asks for what stands before the codes of a set, with the first of its groups.
inline void prefetch_set(const uint8_t* panel, size_t group_bytes, uint32_t group) {
  if (group % set_groups == 0)
    prefetch_lines(panel + place_of(group_bytes, group).zeros + prefetch_ahead, set_codes_at);
}

/// Sums of code * activation over one group of dense codes of `planes` planes, doubled.
template <class S, int planes>
typename S::I32 dense_group(const uint8_t* lines, const int8_t* activations) {
  using I32 = typename S::I32;
  using U8 = typename S::U8;
  constexpr int bits = 2 * planes;
  // Quads of inputs that a line holds: fields of 2 bits, nibbles or bytes.
  constexpr int fields = 8 / bits;
  I32 sums[4] = {};
  for (uint32_t c = 0; c < chunks; ++c) {
    for (int line = 0; line < planes; ++line) {
      const uint8_t* at = lines + (c * planes + line) * line_bytes;
      __builtin_prefetch(at + prefetch_ahead, 0, 2);
      const U8 word = load_as<U8>(at);
      for (int f = 0; f < fields; ++f) {
        const U8 quad = S::quad(activations + c * chunk_inputs + 4 * (f * planes + line));
        if (S::wide_dot) {
          sums[f] = S::dot(sums[f], word & S::fill_bytes(((1 << bits) - 1) << (bits * f)), quad);
        } else if (planes == 4) {
          sums[0] = S::dot(sums[0], word & S::fill_bytes(15), quad);
          sums[1] = S::dot(sums[1], U8(I32(word) >> 4) & S::fill_bytes(15), quad);
        } else {
          const U8 code = U8(I32(word) >> (bits * f)) & S::fill_bytes((1 << bits) - 1);
          sums[f] = S::dot(sums[f], code, quad);
        }
      }
    }
  }
  if (!S::wide_dot && planes == 4) return (sums[0] << 1) + (sums[1] << 5);
  I32 doubled = sums[0] << 1;
  for (int f = 1; f < fields; ++f) doubled += S::wide_dot ? sums[f] >> (bits * f - 1) : sums[f] << 1;
  return doubled;
}

template <class S, int planes>
typename S::Sum dense_rows(const MatrixView& m, const uint8_t* panel, uint32_t part, const BlockView& block) {
  using I32 = typename S::I32;
  constexpr uint32_t group_bytes = chunks * planes * line_bytes;
  constexpr int zero_shift = planes == 4 ? 4 : 0;
  const uint32_t lane = part * S::lanes;
  typename S::Sum sum;
  for (uint32_t g = 0; g < m.groups; ++g) {
    const GroupPlace at = place_of(group_bytes, g);
    prefetch_set(panel, group_bytes, g);
    const I32 codes =
        dense_group<S, planes>(panel + at.codes + 4 * lane, block.codes + size_t{g} * group_inputs);
    const I32 zeros = S::widen(panel + at.zeros + lane) * S::fill(block.sums[g] * (1 << zero_shift));
    sum.add_product(codes - zeros, S::widen(reinterpret_cast<const uint16_t*>(panel + at.scales) + lane));
  }
  return sum;
}

/// Where the weights of a half of a 2:4 line point to in the chunk, and what they are: 2c - zh.
template <class S>
struct SparseHalf {
  typename S::U8 index;
  typename S::U8 weight;
};

template <class S>
SparseHalf<S> sparse_half(typename S::U8 line, int half, typename S::U8 zeros) {
  using U8 = typename S::U8;
  using I32 = typename S::I32;
  const U8 nibble = half == 0 ? line : U8(I32(line) >> 4);
  // Quads of the lane's four bytes, in bits 2 and 1 of the index.
  const U8 quads = U8(S::fill(half == 0 ? 0x02020000 : 0x06060404));
  return {(nibble & S::fill_bytes(9)) | quads, (nibble & S::fill_bytes(6)) - zeros};
}

template <class S>
typename S::Sum sparse_rows(const MatrixView& m, const uint8_t* panel, uint32_t part,
                            const BlockView& block) {
  using I32 = typename S::I32;
  using U8 = typename S::U8;
  constexpr uint32_t group_bytes = chunks * line_bytes;
  const uint32_t lane = part * S::lanes;
  typename S::Sum sum;
  for (uint32_t g = 0; g < m.groups; ++g) {
    const GroupPlace at = place_of(group_bytes, g);
    prefetch_set(panel, group_bytes, g);
    const uint8_t* lines = panel + at.codes + 4 * lane;
    const int8_t* activations = block.codes + size_t{g} * group_inputs;
    const U8 zeros = S::spread(panel + at.zeros + lane);
    I32 sums[2] = {};
    for (uint32_t c = 0; c < chunks; ++c) {
      __builtin_prefetch(lines + c * line_bytes + prefetch_ahead, 0, 2);
      const U8 line = load_as<U8>(lines + c * line_bytes);
      const U8 chunk = S::chunk(activations + c * chunk_inputs);
      for (int half = 0; half < 2; ++half) {
        const SparseHalf<S> kept = sparse_half<S>(line, half, zeros);
        sums[half] = S::dot_biased(sums[half], S::pick(chunk, kept.index), kept.weight);
      }
    }
    sum.add_product(sums[0] + sums[1], S::widen(reinterpret_cast<const uint16_t*>(panel + at.scales) + lane));
  }
  return sum;
}

/// Panels first .. last - 1 times the block's only token, one part of S::lanes rows after the other.
template <class S, uint32_t format>
void panels_times_token(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                        float* output) {
  constexpr bool sparse = format == accel::weight_format::w2s24;
  for (uint32_t index = first; index < last; ++index) {
    const uint8_t* panel = m.panels + index * m.panel_bytes;
    for (uint32_t part = 0; part < panel_rows / S::lanes; ++part) {
      const uint32_t row = index * panel_rows + part * S::lanes;
      if (row >= m.rows) break;
      int64_t sums[S::lanes];
      if constexpr (sparse)
        sparse_rows<S>(m, panel, part, block).store(sums);
      else
        dense_rows<S, accel::format_planes[format]>(m, panel, part, block).store(sums);
      finish_rows<sparse ? S::bias : 0, S::lanes>(m, row, sums, block.scales[0], output + row);
    }
  }
}

/// Calls body(count, panels) for `count` panels at a time that lie far apart, as a core reads distant streams
/// faster than one, and for what is left of panels first .. last - 1 one by one. The count is a compile-time
/// constant.
template <int count, class Body>
void distant_panels(uint32_t first, uint32_t last, const Body& body) {
  const uint32_t apart = (last - first) / count;
  for (uint32_t i = first; i < first + apart; ++i) {
    uint32_t panels[count];
    for (int p = 0; p < count; ++p) panels[p] = i + p * apart;
    body(std::integral_constant<int, count>{}, panels);
  }
  for (uint32_t i = first + count * apart; i < last; ++i) body(std::integral_constant<int, 1>{}, &i);
}

/// The product of a level with one token. A level may have its own.
template <class S>
struct TokenProduct {
  /// Panels first .. last - 1 times the block's only token.
  template <uint32_t format>
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       float* output) {
    panels_times_token<S, format>(m, block, first, last, output);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
