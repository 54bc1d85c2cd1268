#pragma once

#include "avx512_unpack.hpp"
#include "block_product.hpp"

/// \file
/// Panels of two-bit weights times a block of tokens with AVX-512.

namespace accllm::emulator::fast {
namespace {

/// Panels that go side by side, and share broadcast activations.
constexpr uint32_t block_panels = 2;

/// What a thread works on, in its scratch.
struct TwoBitScratch {
  UnpackedGroup groups[set_groups][block_panels];
  /// [groups of the set][tokens]: where sums of dense groups start.
  alignas(line_bytes) int32_t starts[set_groups * most_tokens];
  ByteSums sums[most_tokens][block_panels];
  RowSums taken_out[most_tokens][block_panels];
};
static_assert(sizeof(TwoBitScratch) <= product_scratch_bytes);

/// `panels` neighbouring panels of a matrix times a block.
template <bool dense, int panels>
class BlockPanels {
 public:
  BlockPanels(const MatrixView& m, uint32_t index, const BlockView& block, TwoBitScratch& scratch)
      : m_(m), block_(block), index_(index), s_(scratch) {}

  void multiply(const OutputView& output) {
    for (int p = 0; p < panels; ++p) {
      __builtin_prefetch(m_.exponents + row(p));
      if (!dense) prefetch_lines(reinterpret_cast<const uint8_t*>(m_.weight_sums + row(p)), panel_rows * 8);
    }
    clear(s_.sums);
    for (uint32_t first = 0; first < m_.groups; first += set_groups) add_set(first);
    finish(output);
  }

 private:
  /// Vectors that are multiplied with a group.
  static constexpr uint32_t steps = dense ? group_inputs / 4 : 2 * chunks;

  uint32_t row(int panel) const { return (index_ + panel) * panel_rows; }
  const uint8_t* panel(int panel) const { return m_.panels + (index_ + panel) * m_.panel_bytes; }

  template <class T>
  void clear(T& of_tokens) const {
    std::memset(&of_tokens, 0, block_.tokens * sizeof of_tokens[0]);
  }

  /// Tokens to take next, whose sums stay in registers.
  static constexpr uint32_t tile(uint32_t left) { return left >= 8 ? 8 : left >= 4 ? 4 : 1; }
  uint32_t tiles() const { return token_tiles(block_.tokens, tile); }

  void add_set(uint32_t first) {
    const uint32_t count = m_.groups - first < set_groups ? m_.groups - first : set_groups;
    bool large = false;
    for (int p = 0; p < panels; ++p) {
      const uint8_t* set = panel(p) + place_of(two_bit_group_bytes, first).zeros;
      large = large_zeros(set) || large;
    }
    // What a set can add to a sum with bytes of scales.
    const int64_t weight = large ? most_zero : most_whole_zero;
    const int64_t most_added = set_groups * most_scale_byte *
                               (dense   ? weight * most_activation_sum
                                : large ? 1 << 16
                                        : 1 << 15);
    if (reach_ + most_added > INT32_MAX) take_out();
    reach_ += most_added;
    unpack(first, count, large);
    for (int p = 0; p < panels; ++p)
      ahead_[p] = RunAhead(m_, panel(p), first + count, tiles() * count, set_groups);
    for (uint32_t t = 0; t < block_.tokens; t += tile(block_.tokens - t)) {
      if (!dense && large)
        add_tokens<2>(first, count, t);
      else
        add_tokens<1>(first, count, t);
    }
  }

  void unpack(uint32_t first, uint32_t count, bool large) {
    for (int p = 0; p < panels; ++p) {
      const uint8_t* set = panel(p) + place_of(two_bit_group_bytes, first).zeros;
      for (uint32_t g = 0; g < count; ++g) {
        if constexpr (dense)
          unpack_dense(set, g, s_.groups[g][p]);
        else
          unpack_kept(set, g, large, s_.groups[g][p], starts_[p]);
      }
    }
    if (!dense) return;
    const int32_t* sums = block_.sums + size_t{first} * block_.tokens;
    for (uint32_t i = 0; i < count * block_.tokens; ++i) s_.starts[i] = dense_start(sums[i]);
  }

  template <int parts>
  void add_tokens(uint32_t first, uint32_t count, uint32_t token) {
    switch (tile(block_.tokens - token)) {
      case 8:
        return add_tile<8, parts>(first, count, token);
      case 4:
        return add_tile<4, parts>(first, count, token);
      default:
        return add_tile<1, parts>(first, count, token);
    }
  }

  /// Adds the unpacked set for `tokens` tokens from `token` on; sums are of `parts` parts of a group. A
  /// function of its own, which has all registers.
  template <int tokens, int parts>
  [[gnu::noinline]] void add_tile(uint32_t first, uint32_t count, uint32_t token) {
    for (uint32_t g = 0; g < count; ++g) {
      for (int p = 0; p < panels; ++p) ahead_[p].ask();
      const int8_t* activations = block_.codes + (size_t{first + g} * block_.tokens + token) * group_inputs;
      const int32_t* starts = s_.starts + g * block_.tokens + token;
      const UnpackedGroup* group = s_.groups[g];
#pragma GCC unroll 2
      for (int part = 0; part < parts; ++part) {
        __m512i sums[panels][tokens];
        for (int p = 0; p < panels; ++p) {
          for (int t = 0; t < tokens; ++t) sums[p][t] = dense ? _mm512_set1_epi32(starts[t]) : group[p].start;
        }
        // Straight-line code, in which sums stay in their registers.
#pragma GCC unroll 16
        for (uint32_t v = 0; v < steps / parts; ++v)
          add_step(group, activations, part * (steps / parts) + v, sums);
        for (int p = 0; p < panels; ++p) {
          for (int t = 0; t < tokens; ++t) {
            const __m512i halves = dense ? dense_halves(sums[p][t]) : sums[p][t];
            add_halves(s_.sums[token + t][p], halves, group[p].scales);
          }
        }
      }
    }
  }

  /// Adds the products of a vector of weights of each panel.
  template <int tokens>
  [[gnu::always_inline]] static void add_step(const UnpackedGroup* group, const int8_t* activations,
                                              uint32_t v, __m512i (&sums)[panels][tokens]) {
    for (int t = 0; t < tokens; ++t) {
      const int8_t* token = activations + t * group_inputs;
      if constexpr (dense) {
        const auto quad = __m512i(Avx512::quad(token + 4 * v));
        for (int p = 0; p < panels; ++p)
          sums[p][t] = _mm512_dpbusd_epi32(sums[p][t], group[p].vectors[v], quad);
      } else {
        const Avx512::U8 chunk = Avx512::chunk(token + v / 2 * chunk_inputs);
        for (int p = 0; p < panels; ++p) {
          const auto picked = __m512i(Avx512::pick(chunk, Avx512::U8(group[p].vectors[2 * v])));
          sums[p][t] = _mm512_dpbusd_epi32(sums[p][t], picked, group[p].vectors[2 * v + 1]);
        }
      }
    }
  }

  /// Takes the sums out before they could overflow.
  void take_out() {
    if (!taken_out_any_) clear(s_.taken_out);
    taken_out_any_ = true;
    for (uint32_t t = 0; t < block_.tokens; ++t) {
      for (int p = 0; p < panels; ++p) s_.taken_out[t][p] += join(s_.sums[t][p]);
    }
    clear(s_.sums);
    reach_ = 0;
  }

  void finish(const OutputView& output) const {
    for (int p = 0; p < panels; ++p) {
      const Avx512PanelEnd end(m_, row(p));
      const RowSums added = dense ? RowSums{} : added_to_rows(p);
      for (uint32_t t = 0; t < block_.tokens; ++t) {
        RowSums sums = join(s_.sums[t][p]);
        if (taken_out_any_) sums += s_.taken_out[t][p];
        if (!dense) sums -= added;
        end.finish(sums, block_.scales[t], output.data + t * output.stride + row(p));
      }
    }
  }

  /// What the activations' bias and the sums' starts add to the rows of a panel.
  RowSums added_to_rows(int panel) const {
    int64_t starts[panel_rows];
    starts_[panel].store(starts);
    double added[panel_rows];
    for (uint32_t i = 0; i < panel_rows; ++i)
      added[i] = static_cast<double>(starts[i] + Avx512::bias * m_.weight_sums[row(panel) + i]);
    return load_as<RowSums>(added);
  }

  const MatrixView& m_;
  const BlockView& block_;
  const uint32_t index_;
  TwoBitScratch& s_;
  RunAhead ahead_[panels];
  /// What sums' starts add to rows.
  Avx512::Sum starts_[panels];
  /// How large sums can be.
  int64_t reach_ = 0;
  bool taken_out_any_ = false;
};

template <>
struct BlockProduct<Avx512> {
  static constexpr uint32_t panels = block_panels;

  template <uint32_t format>
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       const OutputView& output, uint8_t* scratch) {
    if constexpr (two_bit(format)) {
      constexpr bool dense = format == accel::weight_format::w2;
      auto& own = *reinterpret_cast<TwoBitScratch*>(scratch);
      uint32_t index = first;
      for (; index + block_panels <= last; index += block_panels)
        BlockPanels<dense, block_panels>(m, index, block, own).multiply(output);
      if (index < last) BlockPanels<dense, 1>(m, index, block, own).multiply(output);
    } else {
      panels_times_block<Avx512, format>(m, block, first, last, output, scratch);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
