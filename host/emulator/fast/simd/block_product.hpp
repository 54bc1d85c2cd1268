#pragma once

#include "product.hpp"

/// \file
/// Rows times a block of tokens: a panel is unpacked to bytes once, then multiplied by a few tokens at a time
/// that stay in registers.

namespace accllm::emulator::fast {
namespace {

/// Vectors of bytes that a group of a format unpacks to: a quad of inputs each, for W8 twice (high and low
/// nibbles); for 2:4 positions and weights of half the inputs.
constexpr uint32_t unpacked_vectors(uint32_t format) { return format == accel::weight_format::w8 ? 32 : 16; }

/// 2 * code - zh of a dense group as signed bytes, quad by quad; W8 as 2 * high - zero code and 2 * low.
template <class S, int planes>
void unpack_dense(const uint8_t* lines, typename S::U8 zeros, uint8_t* out) {
  using I32 = typename S::I32;
  using U8 = typename S::U8;
  constexpr int bits = planes == 1 ? 2 : 4;
  constexpr int fields = planes == 4 ? 1 : 8 / bits;
  const U8 mask = S::fill_bytes(((1 << bits) - 1) << 1);
  for (uint32_t c = 0; c < chunks; ++c) {
    for (int line = 0; line < planes; ++line) {
      const I32 word = load_as<I32>(lines + (c * planes + line) * line_bytes);
      for (int f = 0; f < fields; ++f) {
        const uint32_t quad = c * 4 + f * planes + line;
        const U8 doubled = U8(f == 0 ? word << 1 : word >> (bits * f - 1)) & mask;
        if (planes == 4) {
          store_as(out + (2 * quad) * sizeof(U8), (U8(word >> 3) & mask) - zeros);
          store_as(out + (2 * quad + 1) * sizeof(U8), doubled);
        } else {
          store_as(out + quad * sizeof(U8), doubled - zeros);
        }
      }
    }
  }
}

template <class S>
void unpack_sparse(const uint8_t* lines, typename S::U8 zeros, uint8_t* out) {
  using U8 = typename S::U8;
  for (uint32_t c = 0; c < chunks; ++c) {
    const U8 line = load_as<U8>(lines + c * line_bytes);
    for (int half = 0; half < 2; ++half) {
      const SparseHalf<S> kept = sparse_half<S>(line, half, zeros);
      store_as(out + (4 * c + 2 * half) * sizeof(U8), kept.index);
      store_as(out + (4 * c + 2 * half + 1) * sizeof(U8), kept.weight);
    }
  }
}

template <class S>
void unpack(const MatrixView& m, const uint8_t* panel, uint32_t part, uint8_t* out) {
  const uint32_t lane = part * S::lanes;
  const size_t group_bytes = size_t{chunks} * m.chunk_lines * line_bytes;
  const size_t out_bytes = unpacked_vectors(m.format) * sizeof(typename S::U8);
  for (uint32_t g = 0; g < m.groups; ++g) {
    const uint8_t* lines = panel + m.codes_at + g * group_bytes + 4 * lane;
    const typename S::U8 zeros = S::spread(panel + size_t{g} * panel_rows + lane);
    switch (m.format) {
      case accel::weight_format::w2s24:
        unpack_sparse<S>(lines, zeros, out + g * out_bytes);
        break;
      case accel::weight_format::w2:
        unpack_dense<S, 1>(lines, zeros, out + g * out_bytes);
        break;
      case accel::weight_format::w4:
        unpack_dense<S, 2>(lines, zeros, out + g * out_bytes);
        break;
      default:
        unpack_dense<S, 4>(lines, zeros, out + g * out_bytes);
        break;
    }
  }
}

/// Group sums of `tokens` tokens; `activations` is the first token's.
template <class S, int tokens, uint32_t format>
void group_sums(const uint8_t* weights, const int8_t* activations, typename S::I32* sums) {
  using I32 = typename S::I32;
  using U8 = typename S::U8;
  I32 high[tokens] = {};
  I32 low[tokens] = {};
  if (format == accel::weight_format::w2s24) {
    for (uint32_t v = 0; v < 2 * chunks; ++v) {
      const U8 index = load_as<U8>(weights + 2 * v * sizeof(U8));
      const U8 weight = load_as<U8>(weights + (2 * v + 1) * sizeof(U8));
      for (int t = 0; t < tokens; ++t) {
        const U8 chunk = S::chunk(activations + t * group_inputs + (v / 2) * chunk_inputs);
        high[t] = S::dot_biased(high[t], S::pick(chunk, index), weight);
      }
    }
  } else {
    constexpr bool two = format == accel::weight_format::w8;
    for (uint32_t q = 0; q < group_inputs / 4; ++q) {
      const U8 first = load_as<U8>(weights + (two ? 2 * q : q) * sizeof(U8));
      const U8 second = two ? load_as<U8>(weights + (2 * q + 1) * sizeof(U8)) : first;
      for (int t = 0; t < tokens; ++t) {
        const U8 quad = S::quad(activations + t * group_inputs + 4 * q);
        high[t] = S::dot_biased(high[t], quad, first);
        if (two) low[t] = S::dot_biased(low[t], quad, second);
      }
    }
    if (two) {
      for (int t = 0; t < tokens; ++t) high[t] = (high[t] << 4) + low[t];
    }
  }
  for (int t = 0; t < tokens; ++t) sums[t] = high[t];
}

/// `tokens` tokens of the block from `first` on, times the unpacked rows of one part of a panel.
template <class S, int tokens, uint32_t format>
void multiply_tokens(const MatrixView& m, const uint8_t* panel, uint32_t row, const uint8_t* unpacked,
                     const BlockView& block, uint32_t first, const OutputView& output) {
  using I32 = typename S::I32;
  const uint32_t lane = row % panel_rows;
  const auto* scales = reinterpret_cast<const uint16_t*>(panel + m.scales_at) + lane;
  typename S::Sum totals[tokens];
  for (uint32_t g = 0; g < m.groups; ++g) {
    I32 sums[tokens];
    group_sums<S, tokens, format>(unpacked + size_t{g} * unpacked_vectors(format) * sizeof(I32),
                                  block.codes + (size_t{g} * block.tokens + first) * group_inputs, sums);
    const I32 scale = S::widen(scales + size_t{g} * panel_rows);
    for (int t = 0; t < tokens; ++t) totals[t].add_product(sums[t], scale);
  }
  for (int t = 0; t < tokens; ++t) {
    int64_t sums[S::lanes];
    totals[t].store(sums);
    finish_rows(m, row, S::lanes, sums, S::bias, block.scales[first + t],
                output.data + (first + t) * output.stride + row);
  }
}

template <class S, uint32_t format>
void multiply_block(const MatrixView& m, const uint8_t* panel, uint32_t row, const uint8_t* unpacked,
                    const BlockView& block, const OutputView& output) {
  uint32_t t = 0;
  for (; t + S::token_tile <= block.tokens; t += S::token_tile)
    multiply_tokens<S, S::token_tile, format>(m, panel, row, unpacked, block, t, output);
  if (S::token_tile > 4 && t + 4 <= block.tokens) {
    multiply_tokens<S, 4, format>(m, panel, row, unpacked, block, t, output);
    t += 4;
  }
  for (; t < block.tokens; ++t) multiply_tokens<S, 1, format>(m, panel, row, unpacked, block, t, output);
}

/// One part of a panel, `S::lanes` rows, times all tokens of the block.
template <class S>
void rows_times_block(const MatrixView& m, const uint8_t* panel, uint32_t row, const BlockView& block,
                      const OutputView& output, uint8_t* scratch) {
  unpack<S>(m, panel, row % panel_rows / S::lanes, scratch);
  switch (m.format) {
    case accel::weight_format::w2s24:
      return multiply_block<S, accel::weight_format::w2s24>(m, panel, row, scratch, block, output);
    case accel::weight_format::w8:
      return multiply_block<S, accel::weight_format::w8>(m, panel, row, scratch, block, output);
    default:
      return multiply_block<S, accel::weight_format::w2>(m, panel, row, scratch, block, output);
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
