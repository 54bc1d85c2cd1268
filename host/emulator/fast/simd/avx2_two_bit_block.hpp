#pragma once

#include "avx2_two_bit.hpp"

/// \file
/// Panels of two-bit weights times a block of tokens with AVX2.

namespace accllm::emulator::fast {
namespace {

/// Largest sum over groups of their largest weight, so that 32 bits hold them times a byte.
constexpr uint32_t most_weights = ((1u << 31) - 1) / (group_inputs * most_activation * 255);
static_assert(run_groups * 31 <= most_weights);

/// What a thread works on, in its scratch.
struct alignas(line_bytes) TwoBitScratch {
  UnpackedRun run;
  ScaleBytes sums[most_tokens];
  TakenOut taken_out[most_tokens];
};
static_assert(sizeof(TwoBitScratch) <= product_scratch_bytes);

/// A panel of a matrix times a block.
template <bool dense, bool compact>
class TwoBitPanel {
 public:
  TwoBitPanel(const MatrixView& m, uint32_t index, const BlockView& block, TwoBitScratch& scratch)
      : m_(m),
        block_(block),
        panel_(m.panels + index * m.panel_bytes),
        notes_(panel_notes(m, index)),
        row_(index * panel_rows),
        s_(scratch) {}

  void multiply(const OutputView& output) {
    __builtin_prefetch(m_.exponents + row_);
    prefetch_lines(reinterpret_cast<const uint8_t*>(m_.weight_sums + row_), panel_rows * sizeof(int64_t));
    for (uint32_t t = 0; t < block_.tokens; ++t) clear<compact>(s_.sums[t]);
    for (uint32_t first = 0; first < m_.groups; first += run_groups) {
      const uint32_t last = m_.groups - first < run_groups ? m_.groups : first + run_groups;
      unpack_run<dense, compact>(panel_, notes_, first, last, s_.run);
      weights_ += s_.run.most_weight * (last - first);
      if (weights_ > most_weights) flush();
      ahead_ = RunAhead(m_, panel_, last, tiles() * (last - first));
      add_tokens(first, last);
    }
    finish(output);
  }

 private:
  /// Vectors of weights of a group.
  static constexpr uint32_t vectors = group_inputs / (dense ? 4 : 8);
  /// Magnitude of weights of which so many vectors' products fit 16 bits, two a vector.
  static constexpr uint32_t fitting(uint32_t count) { return most_product / (2 * count * most_activation); }
  static_assert(fitting(vectors) >= 4 && (dense ? fitting(vectors / 8) >= 31 : fitting(vectors / 2) >= 15));

  /// Tokens to take next, whose sums stay in registers. Six dense ones load a weight seldomest, and leave no
  /// one or two alone.
  static constexpr uint32_t tile(uint32_t left) {
    if (dense && (left >= 10 || left == 6)) return 6;
    return left >= 4 ? 4 : 1;
  }
  uint32_t tiles() const { return token_tiles(block_.tokens, tile); }

  void add_tokens(uint32_t first, uint32_t last) {
    const uint32_t weight = s_.run.most_weight;
    if (weight <= fitting(vectors)) return add_run<vectors>(first, last);
    if (!dense || weight <= fitting(vectors / 2)) return add_run<vectors / 2>(first, last);
    if (weight <= fitting(vectors / 4)) return add_run<vectors / 4>(first, last);
    add_run<vectors / 8>(first, last);
  }

  template <uint32_t count>
  void add_run(uint32_t first, uint32_t last) {
    for (uint32_t t = 0; t < block_.tokens; t += tile(block_.tokens - t)) {
      switch (tile(block_.tokens - t)) {
        case 6:
          add_tile<dense ? 6 : 4, count>(first, last, t);
          break;
        case 4:
          add_tile<4, count>(first, last, t);
          break;
        default:
          add_tile<1, count>(first, last, t);
      }
    }
  }

  /// Adds the unpacked run for `tokens` tokens from `token` on, `count` vectors in 16 bits. A function of its
  /// own, which has all registers.
  template <int tokens, uint32_t count>
  [[gnu::noinline]] void add_tile(uint32_t first, uint32_t last, uint32_t token) {
    for (uint32_t g = first; g < last; ++g) {
      ahead_.ask();
      const int8_t* activations = block_.codes + (size_t{g} * block_.tokens + token) * group_inputs;
      const UnpackedGroup* group = s_.run.vectors[g - first];
      const ScaleBytes& scales = s_.run.scales[g - first];
      for (uint32_t v = 0; v < vectors; v += count) {
        __m256i sums[halves][tokens];
        if (dense)
          dense_sums<tokens, count>(group, v, activations, sums);
        else
          kept_sums<tokens, count>(group, v, activations, sums);
        for (uint32_t h = 0; h < halves; ++h) {
          for (int t = 0; t < tokens; ++t) add_scaled<compact>(s_.sums[token + t], h, sums[h][t], scales);
        }
      }
    }
  }

  /// Takes the sums out before the unpacked run could make them overflow.
  void flush() {
    if (!flushed_) std::memset(s_.taken_out, 0, sizeof s_.taken_out);
    flushed_ = true;
    for (uint32_t t = 0; t < block_.tokens; ++t) take_out<compact>(s_.sums[t], s_.taken_out[t]);
    weights_ = s_.run.most_weight * run_groups;
  }

  void finish(const OutputView& output) const {
    const PanelEnd<compact, Avx2::bias> end(m_, row_);
    for (uint32_t t = 0; t < block_.tokens; ++t) {
      const TakenOut* taken_out = flushed_ ? &s_.taken_out[t] : nullptr;
      end.finish(s_.sums[t], taken_out, block_.scales[t], output.data + t * output.stride + row_);
    }
  }

  const MatrixView& m_;
  const BlockView& block_;
  const uint8_t* panel_;
  const uint8_t* notes_;
  const uint32_t row_;
  TwoBitScratch& s_;
  RunAhead ahead_;
  /// Largest weights of the groups in the 32-bit sums, added up.
  uint32_t weights_ = 0;
  bool flushed_ = false;
};

template <>
struct BlockProduct<Avx2> {
  static constexpr uint32_t panels = 1;

  template <uint32_t format>
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       const OutputView& output, uint8_t* scratch) {
    if constexpr (two_bit(format)) {
      auto& own = *reinterpret_cast<TwoBitScratch*>(scratch);
      constexpr bool dense = format == accel::weight_format::w2;
      for (uint32_t index = first; index < last; ++index) {
        if (m.compact)
          TwoBitPanel<dense, true>(m, index, block, own).multiply(output);
        else
          TwoBitPanel<dense, false>(m, index, block, own).multiply(output);
      }
    } else {
      panels_times_block<Avx2, format>(m, block, first, last, output, scratch);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
