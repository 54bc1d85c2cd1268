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

/// 2 * code - zh of a dense group as signed bytes, quad by quad; W8 as 2 * high - zero code and 2 * low.
template <class S, int planes>
void unpack_weights(const uint8_t* lines, typename S::U8 zeros, uint8_t* out) {
  using U8 = typename S::U8;
  using I32 = typename S::I32;
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

/// Rows row .. row + lanes - 1 of a matrix, unpacked.
template <class S>
struct RowPart {
  uint32_t row;
  size_t group_bytes;
  const uint8_t* panel;
  uint8_t* unpacked;

  RowPart(const MatrixView& m, uint32_t first, uint8_t* scratch)
      : row(first),
        group_bytes(m.group_bytes),
        panel(m.panels + row / panel_rows * m.panel_bytes),
        unpacked(scratch) {}
  uint32_t lane() const { return row % panel_rows; }
  /// Where the unpacked group `index` starts.
  const uint8_t* vectors(uint32_t index, uint32_t format) const {
    return unpacked + size_t{index} * unpacked_vectors(format) * sizeof(typename S::U8);
  }
  const uint8_t* codes(uint32_t group) const {
    return panel + place_of(group_bytes, group).codes + 4 * lane();
  }
  const uint8_t* zeros(uint32_t group) const { return panel + place_of(group_bytes, group).zeros + lane(); }
  const uint16_t* scales(uint32_t group) const {
    return reinterpret_cast<const uint16_t*>(panel + place_of(group_bytes, group).scales) + lane();
  }
};

/// A group and the first of its tokens in a block, and which of the unpacked groups it is.
struct BlockAt {
  uint32_t group;
  uint32_t token;
  uint32_t unpacked;
};

/// How a level unpacks dense codes and multiplies what is unpacked with tokens of a block. A level may have
/// its own.
template <class S>
struct BlockForm {
  using I32 = typename S::I32;
  using U8 = typename S::U8;

  /// How it wants the activations of dense matrices.
  static constexpr Packing dense_packing(uint32_t) { return Packing::dense_biased; }

  template <int planes>
  static void unpack_dense(const uint8_t* lines, U8 zeros, uint8_t* out) {
    unpack_weights<S, planes>(lines, zeros, out);
  }

  /// Sums of (2 c - zh) * a over one group, [parts][tokens].
  template <int parts, int tokens, uint32_t format>
  static void group_sums(const RowPart<S>* part, const BlockView& block, const BlockAt& at,
                         I32 (*sums)[tokens]) {
    const int8_t* activations = block.codes + (size_t{at.group} * block.tokens + at.token) * group_inputs;
    const uint8_t* weights[parts];
    for (int p = 0; p < parts; ++p) weights[p] = part[p].vectors(at.unpacked, format);
    constexpr bool sparse = format == accel::weight_format::w2s24;
    // Two vectors belong together: positions and weights, or high and low nibbles.
    constexpr bool two = sparse || format == accel::weight_format::w8;
    I32 high[parts][tokens] = {};
    I32 low[parts][tokens] = {};
    for (uint32_t v = 0; v < (sparse ? 2 * chunks : group_inputs / 4); ++v) {
      U8 first[parts];
      U8 second[parts];
      for (int p = 0; p < parts; ++p) {
        first[p] = load_as<U8>(weights[p] + (two ? 2 * v : v) * sizeof(U8));
        second[p] = two ? load_as<U8>(weights[p] + (2 * v + 1) * sizeof(U8)) : first[p];
      }
      for (int t = 0; t < tokens; ++t) {
        const int8_t* token = activations + t * group_inputs;
        const U8 values = sparse ? S::chunk(token + v / 2 * chunk_inputs) : S::quad(token + 4 * v);
        for (int p = 0; p < parts; ++p) {
          if (sparse) {
            high[p][t] = S::dot_biased(high[p][t], S::pick(values, first[p]), second[p]);
          } else {
            high[p][t] = S::dot_biased(high[p][t], values, first[p]);
            if (two) low[p][t] = S::dot_biased(low[p][t], values, second[p]);
          }
        }
      }
    }
    for (int p = 0; p < parts; ++p) {
      for (int t = 0; t < tokens; ++t)
        sums[p][t] = two && !sparse ? (high[p][t] << 4) + low[p][t] : high[p][t];
    }
  }
};

/// Unpacks groups first .. last - 1, from the start of the part's scratch on.
template <class S, uint32_t format>
void unpack(const RowPart<S>& part, uint32_t first, uint32_t last) {
  const size_t out_bytes = unpacked_vectors(format) * sizeof(typename S::U8);
  for (uint32_t g = first; g < last; ++g) {
    const uint8_t* lines = part.codes(g);
    const typename S::U8 zeros = S::spread(part.zeros(g));
    uint8_t* out = part.unpacked + (g - first) * out_bytes;
    if constexpr (format == accel::weight_format::w2s24)
      unpack_sparse<S>(lines, zeros, out);
    else
      BlockForm<S>::template unpack_dense<accel::format_planes[format]>(lines, zeros, out);
  }
}

/// Asks for the lines of a panel that follow a run of groups, a few at each step of the run's product: all at
/// once they would fill the core's queue of misses, and it would wait for memory.
class RunAhead {
 public:
  RunAhead() = default;
  /// Behind the run that ends before group `last`; the next one has `groups` groups. A step is a group and a
  /// tile of tokens.
  RunAhead(const MatrixView& m, const uint8_t* panel, uint32_t last, uint32_t steps,
           uint32_t groups = run_groups) {
    next_ = panel + set_count(last) * m.set_bytes;
    step_ = static_cast<uint32_t>(groups / set_groups * m.set_bytes) / steps + 1;
    lines_ = (step_ + line_bytes - 1) / line_bytes;
  }
  void ask() {
    for (uint32_t i = 0; i < lines_; ++i) __builtin_prefetch(next_ + i * line_bytes, 0, 0);
    next_ += step_;
  }

 private:
  const uint8_t* next_ = nullptr;
  uint32_t step_ = 0;
  uint32_t lines_ = 0;
};

/// Tiles that a block's tokens make, tile(left) being the size of the next.
constexpr uint32_t token_tiles(uint32_t tokens, uint32_t (*tile)(uint32_t left)) {
  uint32_t count = 0;
  for (; tokens > 0; tokens -= tile(tokens)) ++count;
  return count;
}

/// Tokens that the shared product takes next.
template <class S>
constexpr uint32_t shared_tile(uint32_t left) {
  constexpr uint32_t most = S::token_tile;
  return left >= most ? most : 1;
}

/// The sums of a block's rows, from one run of groups to the next.
template <class S, int parts>
struct BlockSums {
  typename S::Sum rows[most_tokens][parts];
};

/// Adds groups first .. last - 1, which are unpacked, for `tokens` tokens of the block from `token` on.
template <class S, int parts, int tokens, uint32_t format>
void multiply_tokens(const RowPart<S>* part, const BlockView& block, uint32_t first, uint32_t last,
                     uint32_t token, RunAhead* ahead, BlockSums<S, parts>& block_sums) {
  using I32 = typename S::I32;
  typename S::Sum totals[parts][tokens];
  for (int p = 0; p < parts; ++p) {
    for (int t = 0; t < tokens; ++t) totals[p][t] = block_sums.rows[token + t][p];
  }
  for (uint32_t g = first; g < last; ++g) {
    for (int p = 0; p < parts; ++p) ahead[p].ask();
    I32 sums[parts][tokens];
    BlockForm<S>::template group_sums<parts, tokens, format>(part, block, {g, token, g - first}, sums);
    for (int p = 0; p < parts; ++p) {
      const I32 scale = S::widen(part[p].scales(g));
      for (int t = 0; t < tokens; ++t) totals[p][t].add_product(sums[p][t], scale);
    }
  }
  for (int p = 0; p < parts; ++p) {
    for (int t = 0; t < tokens; ++t) block_sums.rows[token + t][p] = totals[p][t];
  }
}

template <class S, int parts, uint32_t format>
void multiply_block(const MatrixView& m, const RowPart<S>* part, const BlockView& block,
                    BlockSums<S, parts>& sums) {
  for (uint32_t first = 0; first < m.groups; first += run_groups) {
    const uint32_t last = m.groups - first < run_groups ? m.groups : first + run_groups;
    const uint32_t steps = token_tiles(block.tokens, shared_tile<S>) * (last - first);
    RunAhead ahead[parts];
    for (int p = 0; p < parts; ++p) {
      unpack<S, format>(part[p], first, last);
      if (p == 0 || part[p].panel != part[0].panel) ahead[p] = RunAhead(m, part[p].panel, last, steps);
    }
    uint32_t t = 0;
    for (; t + S::token_tile <= block.tokens; t += S::token_tile)
      multiply_tokens<S, parts, S::token_tile, format>(part, block, first, last, t, ahead, sums);
    for (; t < block.tokens; ++t)
      multiply_tokens<S, parts, 1, format>(part, block, first, last, t, ahead, sums);
  }
}

/// Ends the rows of all parts and tokens.
template <class S, int parts, int bias>
void finish_block(const MatrixView& m, const RowPart<S>* part, const BlockView& block,
                  const BlockSums<S, parts>& sums, const OutputView& output) {
  for (int p = 0; p < parts; ++p) {
    for (uint32_t t = 0; t < block.tokens; ++t) {
      int64_t lanes[S::lanes];
      sums.rows[t][p].store(lanes);
      finish_rows<bias, S::lanes>(m, part[p].row, lanes, block.scales[t],
                                  output.data + t * output.stride + part[p].row);
    }
  }
}

/// `parts` parts of S::lanes rows from `row` on, times all tokens of the block.
template <class S, int parts, uint32_t format>
void rows_times_block(const MatrixView& m, uint32_t row, const BlockView& block, const OutputView& output,
                      uint8_t* scratch) {
  RowPart<S> part[2] = {{m, row, scratch}, {m, row + (parts - 1) * S::lanes, scratch}};
  part[1].unpacked += run_groups * unpacked_vectors(format) * sizeof(typename S::U8);
  BlockSums<S, parts> sums;
  multiply_block<S, parts, format>(m, part, block, sums);
  constexpr bool biased =
      format == accel::weight_format::w2s24 || BlockForm<S>::dense_packing(format) == Packing::dense_biased;
  finish_block<S, parts, biased ? S::bias : 0>(m, part, block, sums, output);
}

/// Panels first .. last - 1 times a block, two parts at a time.
template <class S, uint32_t format>
void panels_times_block(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                        const OutputView& output, uint8_t* scratch) {
  const uint32_t end = last * panel_rows < m.rows ? last * panel_rows : m.rows;
  uint32_t row = first * panel_rows;
  for (; row + S::lanes < end; row += 2 * S::lanes)
    rows_times_block<S, 2, format>(m, row, block, output, scratch);
  if (row < end) rows_times_block<S, 1, format>(m, row, block, output, scratch);
}

/// The product of a level with several tokens. A level may have its own.
template <class S>
struct BlockProduct {
  /// Panels that go side by side.
  static constexpr uint32_t panels = 1;

  /// Panels first .. last - 1 times the block.
  template <uint32_t format>
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       const OutputView& output, uint8_t* scratch) {
    panels_times_block<S, format>(m, block, first, last, output, scratch);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
