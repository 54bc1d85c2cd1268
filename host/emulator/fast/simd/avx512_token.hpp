#pragma once

#include "avx512_sums.hpp"
#include "avx512_two_bit.hpp"

/// \file
/// Panels of two-bit weights times one token with AVX-512. Four panels that lie far apart go side by side, as
/// a core reads distant streams faster than one. The 16-bit sums of two groups share a row's lane, and so do
/// their scales. Zero-points are not in the weights: times their scales' bytes they multiply the activations'
/// sums, so that nothing depends on how large they are.

namespace accllm::emulator::fast {
namespace {

/// A group's sums fit 16 bits: dense ones of codes, 2:4 ones of doubled codes.
static_assert(3 * most_activation_sum < 1 << 15 && 6 * most_activation_sum / 2 < 1 << 15);

/// Groups whose sums times a byte add up in 32 bits, also once zero-points are taken off.
constexpr uint32_t narrow_groups = 32;
static_assert(narrow_groups * most_zero * most_activation_sum * most_scale_byte < int64_t{1} << 31);
static_assert(narrow_groups % set_groups == 0);

/// The 16-bit sums of two groups in one vector.
inline __m512i pair_up(__m512i first, __m512i second) {
  return _mm512_mask_blend_epi16(0xaaaaaaaa, first, _mm512_slli_epi32(second, 16));
}

/// How far ahead lines are asked for: into the first-level cache what the hardware, which follows four
/// streams better than one, has fetched into the second.
constexpr size_t token_ahead = 1024;

/// A group of `count` panels.
template <int count>
struct TokenGroup {
  /// Where its codes lie.
  const uint8_t* lines[count];

  /// A line, once one further on is asked for.
  __m512i load(int panel, uint32_t index) const {
    const uint8_t* line = lines[panel] + index * line_bytes;
    _mm_prefetch(line + token_ahead, _MM_HINT_T1);
    return load_512(line);
  }
};

/// Sums over a group of dense weights: of codes times activations.
template <int count>
[[gnu::always_inline]] inline void dense_sums(const TokenGroup<count>& group, const int8_t* activations,
                                              __m512i* sums) {
  __m512i lines[count][chunks];
  // Fields 3 and 2, and 1 and 0, which count 64, 16, 4 and 1 times in place.
  __m512i high[count];
  __m512i low[count];
  const auto add_field = [&](int field, __m512i* to) {
    const __m512i mask = __m512i(Avx512::fill_bytes(3 << (2 * field)));
    for (uint32_t c = 0; c < chunks; ++c) {
      const __m512i quad = __m512i(Avx512::quad(activations + c * chunk_inputs + 4 * field));
      for (int p = 0; p < count; ++p)
        to[p] = _mm512_dpbusd_epi32(to[p], _mm512_and_si512(lines[p][c], mask), quad);
    }
  };
  for (uint32_t c = 0; c < chunks; ++c) {
    for (int p = 0; p < count; ++p) lines[p][c] = group.load(p, c);
  }
  for (int p = 0; p < count; ++p) high[p] = low[p] = _mm512_setzero_si512();
  add_field(3, high);
  for (int p = 0; p < count; ++p) high[p] = _mm512_srai_epi32(high[p], 2);
  add_field(1, low);
  for (int p = 0; p < count; ++p) low[p] = _mm512_srai_epi32(low[p], 2);
  add_field(2, high);
  add_field(0, low);
  for (int p = 0; p < count; ++p) sums[p] = _mm512_add_epi32(_mm512_srai_epi32(high[p], 4), low[p]);
}

/// Sums over a group of 2:4 weights: of doubled codes times activations, and of the activations alone.
template <int count>
[[gnu::always_inline]] inline void kept_sums(const TokenGroup<count>& group, const int8_t* activations,
                                             __m512i* sums, __m512i* activation_sums) {
  const __m512i ones = __m512i(Avx512::fill_bytes(1));
  for (int p = 0; p < count; ++p) sums[p] = activation_sums[p] = _mm512_setzero_si512();
  for (uint32_t c = 0; c < chunks; ++c) {
    const Avx512::U8 chunk = Avx512::chunk(activations + c * chunk_inputs);
    for (int p = 0; p < count; ++p) {
      const auto line = Avx512::U8(group.load(p, c));
      for (int half = 0; half < 2; ++half) {
        const SparseHalf<Avx512> kept = sparse_half<Avx512>(line, half, Avx512::U8{});
        const __m512i picked = __m512i(Avx512::pick(chunk, kept.index));
        sums[p] = _mm512_dpbusd_epi32(sums[p], __m512i(kept.weight), picked);
        activation_sums[p] = _mm512_dpbusd_epi32(activation_sums[p], ones, picked);
      }
    }
  }
}

/// `count` panels times the token.
template <bool dense, int count>
class TokenPanels {
 public:
  TokenPanels(const MatrixView& m, const uint32_t* indices, const BlockView& block)
      : m_(m), indices_(indices), block_(block) {
    for (int p = 0; p < count; ++p) {
      panels_[p] = m.panels + indices[p] * m.panel_bytes;
      codes_[p] = zeros_[p] = ByteSums{};
      taken_out_[p] = {};
    }
  }

  /// A function of its own, which has all registers.
  [[gnu::noinline]] void multiply(float* output) {
    for (int p = 0; p < count; ++p) {
      // For the end.
      __builtin_prefetch(m_.exponents + row(p));
      __builtin_prefetch(output + row(p), 1);
    }
    for (uint32_t first = 0; first < m_.groups; first += set_groups) {
      if (first % narrow_groups == 0 && first > 0) take_out();
      add_set(first);
    }
    take_out();
    for (int p = 0; p < count; ++p)
      Avx512PanelEnd(m_, row(p)).finish(taken_out_[p], block_.scales[0], output + row(p));
  }

 private:
  /// Panels that share broadcast activations, as many as there are registers for.
  static constexpr int step = count < 2 ? count : 2;

  uint32_t row(int panel) const { return indices_[panel] * panel_rows; }

  void add_set(uint32_t first) {
    const size_t at = first / set_groups * set_bytes(two_bit_group_bytes);
    const uint8_t* sets[count];
    for (int p = 0; p < count; ++p) {
      sets[p] = panels_[p] + at;
      // What stands before the codes.
      for (size_t i = 0; i < set_codes_at; i += line_bytes)
        _mm_prefetch(sets[p] + i + token_ahead, _MM_HINT_T1);
    }
    for (int p = 0; p < count; p += step) add_pair<0>(first, p, sets + p);
    if (m_.groups - first <= 2) return;
    for (int p = 0; p < count; p += step) add_pair<2>(first, p, sets + p);
  }

  /// Adds two groups of a set, from number `in_set` on, of `step` panels from `first_panel` on.
  template <uint32_t in_set>
  [[gnu::always_inline]] void add_pair(uint32_t first, int first_panel, const uint8_t* const* sets) {
    const uint32_t group = first + in_set;
    __m512i sums[2][step];
    __m512i activation_sums[2][step];
#pragma GCC unroll 2
    for (uint32_t k = 0; k < 2; ++k) {
      TokenGroup<step> lines;
      for (int i = 0; i < step; ++i)
        lines.lines[i] = sets[i] + place_of(two_bit_group_bytes, in_set + k).codes;
      const int8_t* activations = block_.codes + size_t{group + k} * group_inputs;
      if constexpr (dense)
        dense_sums(lines, activations, sums[k]);
      else
        kept_sums(lines, activations, sums[k], activation_sums[k]);
    }
    const __m512i dense_activations =
        _mm512_set1_epi32((block_.sums[group] & 0xffff) | (block_.sums[group + 1] * (1 << 16)));
    for (int i = 0; i < step; ++i) {
      const __m512i activations =
          dense ? dense_activations : pair_up(activation_sums[0][i], activation_sums[1][i]);
      const ByteSums scales = split(load_512(sets[i] + pair_scales_at(in_set)));
      add_halves(codes_[first_panel + i], pair_up(sums[0][i], sums[1][i]), scales);
      const __m512i zeros = pair_zeros<in_set>(load_512(sets[i]));
      add_halves(zeros_[first_panel + i], activations,
                 {_mm512_mullo_epi16(zeros, scales.high), _mm512_mullo_epi16(zeros, scales.low)});
    }
  }

  /// Takes the sums out, before they could overflow.
  void take_out() {
    for (int p = 0; p < count; ++p) {
      const auto total = [](__m512i codes, __m512i zeros) {
        return _mm512_sub_epi32(dense ? _mm512_slli_epi32(codes, 1) : codes, zeros);
      };
      taken_out_[p] += join({total(codes_[p].high, zeros_[p].high), total(codes_[p].low, zeros_[p].low)});
      codes_[p] = zeros_[p] = ByteSums{};
    }
  }

  const MatrixView& m_;
  const uint32_t* indices_;
  const BlockView& block_;
  const uint8_t* panels_[count];
  ByteSums codes_[count];
  ByteSums zeros_[count];
  RowSums taken_out_[count];
};

template <>
struct TokenProduct<Avx512> {
  template <uint32_t format>
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       float* output) {
    if constexpr (two_bit(format)) {
      distant_panels<4>(first, last, [&](auto count, const uint32_t* panels) {
        TokenPanels<format == accel::weight_format::w2, count>(m, panels, block).multiply(output);
      });
    } else {
      panels_times_token<Avx512, format>(m, block, first, last, output);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
