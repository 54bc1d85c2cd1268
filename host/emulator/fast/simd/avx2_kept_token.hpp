#pragma once

#include "avx2_activations.hpp"
#include "avx2_compact.hpp"

/// \file
/// Panels of 2:4 weights times one token with AVX2. The nibble of a kept weight finds its activation in its
/// quad's table, which all rows of four panels share: they lie far apart and go side by side, as a core reads
/// distant streams faster than one. Of weights of magnitude 4 or less a group's sum fits 16 bits, with
/// activations made positive 4 * 255 * 32 = 32,640, and of 8 or less half a group's. Sets of groups with
/// larger ones take a longer way.

namespace accllm::emulator::fast {
namespace {

/// Largest weights of which a group's sum fits 16 bits, and half a group's.
constexpr uint32_t most_narrow_weight = 4;
constexpr uint32_t most_half_weight = 8;
/// Groups whose sums times a byte add up in 32 bits.
constexpr uint32_t narrow_groups = 128;
static_assert(uint64_t{2} * 32640 * 255 * narrow_groups < uint64_t{1} << 31);
static_assert(narrow_groups % set_groups == 0);

/// A group of `count` panels, and its tables.
template <int count>
struct KeptGroup {
  const uint8_t* const* panels;
  /// In its set.
  uint32_t index;
  GroupPlace at;
  const uint8_t* tables;

  __m256i vector(int panel, uint32_t index) const {
    return load_256(panels[panel] + at.codes + index * sizeof(__m256i));
  }
  const uint8_t* zeros(int panel) const { return panels[panel] + at.zeros; }
  /// Asks for lines a short way ahead: into the first-level cache what the hardware, which follows four
  /// streams better than one, has fetched into the second. (GCC takes calls of a function that only
  /// prefetches for useless, unless it is inlined.)
  [[gnu::always_inline]] void ask(int panel, int32_t line) const {
    constexpr int32_t ahead = 1024;
    _mm_prefetch(panels[panel] + at.codes + (line * int32_t{line_bytes} + ahead), _MM_HINT_T1);
  }
};

/// Kept weights of a quad, and what they find.
struct KeptQuad {
  __m256i activations;
  __m256i weights;

  /// Of the low nibbles, or of the high ones; `table` is the quad's.
  KeptQuad(__m256i vector, bool high, __m256i zeros, Avx2::U8 table) {
    const __m256i nibbles = high ? _mm256_srli_epi16(vector, 4) : vector;
    activations = __m256i(Avx2::pick(table, Avx2::U8(nibbles) & Avx2::fill_bytes(15)));
    weights = _mm256_sub_epi8(_mm256_and_si256(nibbles, _mm256_set1_epi8(6)), zeros);
  }
};

/// Zero-points of a group's sixteen rows, for both weights of a word.
template <bool compact>
__m256i spread_zeros(const uint8_t* zeros, uint32_t in_set) {
  if (compact) {
    const __m256i first = _mm256_setr_epi8(0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14,  //
                                           0, 0, 2, 2, 4, 4, 6, 6, 8, 8, 10, 10, 12, 12, 14, 14);
    const __m256i own = _mm256_add_epi8(first, _mm256_set1_epi8(static_cast<char>(in_set % 2)));
    return set_nibbles(_mm256_shuffle_epi8(load_256(zeros), own), in_set);
  }
  const __m256i words = _mm256_cvtepu8_epi16(load_as<__m128i>(zeros));
  return _mm256_or_si256(words, _mm256_slli_epi16(words, 8));
}

/// The table of the quad in a vector's low nibbles, or in its high ones.
inline Avx2::U8 pick_table(const uint8_t* tables, uint32_t vector, bool high) {
  return Avx2::chunk(tables + (vector / 2 * 4 + vector % 2 + 2 * high) * sizeof(__m128i));
}

/// Sums of weight * activation of `parts` parts of a group's vectors.
template <bool compact, int parts, int count>
[[gnu::always_inline]] inline void kept_weights(const KeptGroup<count>& group, __m256i (*part_sums)[count]) {
  constexpr uint32_t part = group_vectors / parts;
  __m256i zeros[count];
  for (int p = 0; p < count; ++p) zeros[p] = spread_zeros<compact>(group.zeros(p), group.index);
#pragma GCC unroll 8
  for (uint32_t v = 0; v < group_vectors; ++v) {
    __m256i* sums = part_sums[v / part];
    const Avx2::U8 low_table = pick_table(group.tables, v, false);
    const Avx2::U8 high_table = pick_table(group.tables, v, true);
    for (int p = 0; p < count; ++p) {
      if (v % 2 == 0) group.ask(p, v / 2);
      const __m256i vector = group.vector(p, v);
      const KeptQuad low(vector, false, zeros[p], low_table);
      sums[p] = v % part == 0 ? products(low.activations, low.weights)
                              : add_products(sums[p], low.activations, low.weights);
      const KeptQuad high(vector, true, zeros[p], high_table);
      sums[p] = add_products(sums[p], high.activations, high.weights);
    }
  }
}

/// Sixteen 32-bit sums in the order of words, four by four.
struct WideSums {
  __m128i quarters[4];
};

/// Sums of weight * activation of a group of any weights: products of two fit 16 bits, 15 * 255 * 2 = 7,650.
template <bool compact, int count>
WideSums wide_kept(const KeptGroup<count>& group, int panel) {
  const __m256i zeros = spread_zeros<compact>(group.zeros(panel), group.index);
  __m256i low = _mm256_setzero_si256();
  __m256i high = _mm256_setzero_si256();
  for (uint32_t v = 0; v < group_vectors; ++v) {
    for (int nibble = 0; nibble < 2; ++nibble) {
      const KeptQuad quad(group.vector(panel, v), nibble == 1, zeros,
                          pick_table(group.tables, v, nibble == 1));
      const __m256i sums = products(quad.activations, quad.weights);
      low = _mm256_add_epi32(low, _mm256_cvtepi16_epi32(_mm256_castsi256_si128(sums)));
      high = _mm256_add_epi32(high, _mm256_cvtepi16_epi32(_mm256_extracti128_si256(sums, 1)));
    }
  }
  return {{_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1), _mm256_castsi256_si128(high),
           _mm256_extracti128_si256(high, 1)}};
}

/// A group's scales of four rows, `four` of them counted from the panel's first; `in_pair` is which of the
/// pair's groups it is.
template <bool compact>
__m128i four_scales(const uint8_t* pairs, uint32_t four, uint32_t in_pair) {
  if (compact) {
    const __m128i both =
        _mm_cvtepu16_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(pairs + 8 * four)));
    const __m128i high = in_pair == 0 ? _mm_slli_epi32(both, 8) : both;
    return _mm_and_si128(high, _mm_set1_epi32(0xff00));
  }
  const auto both = load_as<__m128i>(pairs + four * sizeof(__m128i));
  return in_pair == 0 ? _mm_and_si128(both, _mm_set1_epi32(0xffff)) : _mm_srli_epi32(both, 16);
}

/// Adds a group's wide sums times its scales.
template <bool compact>
void add_wide_sums(TakenOut& out, const WideSums& sums, const uint8_t* scales, uint32_t in_pair) {
  for (uint32_t q = 0; q < 4; ++q) {
    // The rows of a quarter, by fours.
    constexpr uint32_t fours[] = {0, 2, 1, 3};
    const __m128i scale = four_scales<compact>(scales, fours[q], in_pair);
    const __m256d product = _mm256_mul_pd(_mm256_cvtepi32_pd(sums.quarters[q]), _mm256_cvtepi32_pd(scale));
    out.rows[fours[q]] = _mm256_add_pd(out.rows[fours[q]], product);
  }
}

/// `count` panels times the token.
template <int count, bool compact>
class KeptPanels {
 public:
  KeptPanels(const MatrixView& m, const uint32_t* indices, const BlockView& block)
      : m_(m), indices_(indices), block_(block) {
    for (int p = 0; p < count; ++p) {
      panels_[p] = m.panels + indices[p] * m.panel_bytes;
      notes_[p] = panel_notes(m, indices[p]);
    }
  }

  /// A function of its own, which has all registers.
  [[gnu::noinline]] void multiply(float* output) {
    for (int p = 0; p < count; ++p) ask_for_end(m_, indices_[p], output);
    for (uint32_t first = 0; first < m_.groups; first += set_groups) {
      if (first % narrow_groups == 0 && first > 0) sums_.take_all_out();
      add_set(first);
    }
    sums_.finish(m_, indices_, block_.scales[0], output);
  }

 private:
  KeptGroup<count> group(uint32_t index) const {
    const auto* tables = reinterpret_cast<const uint8_t*>(block_.codes);
    return {panels_, index % set_groups, two_bit_place_of<compact>(index), tables + index * table_bytes};
  }

  void add_set(uint32_t first) {
    uint32_t most = 0;
    const KeptGroup<count> start = group(first);
    for (int p = 0; p < count; ++p) {
      const uint32_t noted = notes_[p][first / set_groups];
      most = noted > most ? noted : most;
      // What stands before the codes of the set.
      constexpr size_t before = compact ? compact_codes_at : set_codes_at;
      for (int32_t i = (before + line_bytes - 1) / line_bytes; i > 0; --i) start.ask(p, -i);
    }
    for (uint32_t g = first; g < first + set_groups && g < m_.groups; g += 2) {
      const KeptGroup<count> groups[2] = {group(g), group(g + 1)};
      if (most <= most_narrow_weight)
        add_pair<1>(groups);
      else if (most <= most_half_weight)
        add_pair<2>(groups);
      else
        add_wide_pair(groups);
    }
  }

  template <int parts>
  [[gnu::always_inline]] void add_pair(const KeptGroup<count>* groups) {
    __m256i found[2][parts][count];
    for (int k = 0; k < 2; ++k) kept_weights<compact, parts, count>(groups[k], found[k]);
    for (int p = 0; p < count; ++p) {
      const uint8_t* scales = panels_[p] + groups[0].at.scales;
      ScaleBytes bytes;
      for (uint32_t h = 0; h < halves; ++h) {
        if (compact)
          bytes.high[h] = pair_scales(scales + h * sizeof(__m128i));
        else
          split_scales(load_256(scales + h * sizeof(__m256i)), bytes, h);
        for (int i = 0; i < parts; ++i) {
          const __m256i pairs = h == 0 ? _mm256_unpacklo_epi16(found[0][i][p], found[1][i][p])
                                       : _mm256_unpackhi_epi16(found[0][i][p], found[1][i][p]);
          add_scaled<compact>(sums_[p], h, pairs, bytes);
        }
      }
    }
  }

  /// The same pair with weights of any size.
  [[gnu::noinline]] void add_wide_pair(const KeptGroup<count>* groups) {
    sums_.begin_taking_out();
    for (int k = 0; k < 2; ++k) {
      for (int p = 0; p < count; ++p)
        add_wide_sums<compact>(sums_.taken_out(p), wide_kept<compact>(groups[k], p),
                               panels_[p] + groups[0].at.scales, k);
    }
  }

  const MatrixView& m_;
  const uint32_t* indices_;
  const BlockView& block_;
  const uint8_t* panels_[count];
  const uint8_t* notes_[count];
  PanelSums<count, compact, Avx2::bias> sums_;
};

}  // namespace
}  // namespace accllm::emulator::fast
