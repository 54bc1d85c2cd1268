#pragma once

#include "avx2_sums.hpp"

/// \file
/// Sums over the groups of two-bit weights with AVX2. The high and the low byte of a group's scale multiply
/// and widen its 16-bit sums in one instruction each, into two sums of 32 bits that are put together before
/// they can overflow: products of 64 bits would take half as many instructions again. Scales of compact
/// panels have no low bytes.

namespace accllm::emulator::fast {
namespace {

/// Halves of a panel, eight rows each.
constexpr uint32_t halves = panel_rows / Avx2::lanes;

/// The high and the low byte of scales, or what was summed up with them, a 32-bit lane a row. Scales are two
/// a lane, for the two 16-bit sums that a row has.
struct ScaleBytes {
  __m256i high[halves];
  __m256i low[halves];
};

/// Begins sums anew, vector by vector: for a whole struct GCC takes a string instruction, whose start alone
/// takes longer.
template <bool compact>
[[gnu::always_inline]] inline void clear(ScaleBytes& sums) {
  static_assert(halves == 2);
  sums.high[0] = _mm256_setzero_si256();
  sums.high[1] = _mm256_setzero_si256();
  if (compact) return;
  sums.low[0] = _mm256_setzero_si256();
  sums.low[1] = _mm256_setzero_si256();
}

/// The bytes of eight rows' scales.
inline void split_scales(__m256i scales, ScaleBytes& out, uint32_t half) {
  out.high[half] = _mm256_srli_epi16(scales, 8);
  out.low[half] = _mm256_and_si256(scales, _mm256_set1_epi16(255));
}

inline __m256i add_scaled(__m256i sum, __m256i products, __m256i scales) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(products, scales));
}

/// Adds eight rows' products times their scales.
template <bool compact>
[[gnu::always_inline]] inline void add_scaled(ScaleBytes& sums, uint32_t half, __m256i products,
                                              const ScaleBytes& scales) {
  sums.high[half] = add_scaled(sums.high[half], products, scales.high[half]);
  if (!compact) sums.low[half] = add_scaled(sums.low[half], products, scales.low[half]);
}

/// What was taken out of a panel's 32-bit sums, in doubles, which hold it exactly.
struct TakenOut {
  __m256d rows[panel_rows / 4];
};

/// 256 * high + low of a half, four rows each.
template <bool compact>
struct JoinedSums {
  __m256d rows[2];

  JoinedSums(const ScaleBytes& sums, uint32_t half) {
    for (int i = 0; i < 2; ++i) {
      const __m256d high = _mm256_cvtepi32_pd(quarter(sums.high[half], i));
      rows[i] = _mm256_mul_pd(high, _mm256_set1_pd(256.0));
      if (!compact) rows[i] = _mm256_add_pd(rows[i], _mm256_cvtepi32_pd(quarter(sums.low[half], i)));
    }
  }

 private:
  static __m128i quarter(__m256i sums, int index) {
    return index == 0 ? _mm256_castsi256_si128(sums) : _mm256_extracti128_si256(sums, 1);
  }
};

/// Takes sums out, before they could overflow.
template <bool compact>
void take_out(ScaleBytes& sums, TakenOut& out) {
  for (uint32_t h = 0; h < halves; ++h) {
    const JoinedSums<compact> joined(sums, h);
    for (int i = 0; i < 2; ++i) out.rows[2 * h + i] = _mm256_add_pd(out.rows[2 * h + i], joined.rows[i]);
  }
  clear<compact>(sums);
}

/// Asks for what the end of a panel's rows needs, when they begin.
[[gnu::always_inline]] inline void ask_for_end(const MatrixView& m, uint32_t panel, const float* out) {
  __builtin_prefetch(m.exponents + panel * panel_rows);
  __builtin_prefetch(out + panel * panel_rows, 1);
}

/// The end of a panel's rows, as finish_rows. The activations were made larger by `bias`.
template <bool compact, int bias>
class PanelEnd {
 public:
  PanelEnd(const MatrixView& m, uint32_t row) : rows_(m.rows - row < panel_rows ? m.rows - row : panel_rows) {
    const __m256i exponent_bias = _mm256_set1_epi32(127 - 1);
    for (uint32_t h = 0; h < halves; ++h) {
      const auto eight = load_as<int64_t>(m.exponents + row + h * Avx2::lanes);
      const __m256i exponents = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(eight));
      powers_[h] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(exponents, exponent_bias), 23));
    }
    for (uint32_t i = 0; i < panel_rows; ++i) biases_[i] = static_cast<double>(bias * m.weight_sums[row + i]);
  }

  /// `taken_out` may be null.
  void finish(const ScaleBytes& sums, const TakenOut* taken_out, float token_scale, float* out) const {
    const __m256 scale = _mm256_set1_ps(token_scale);
    static_assert(halves == 2);
    const __m256 first = half(sums, 0, taken_out, scale);
    const __m256 second = half(sums, 1, taken_out, scale);
    if (rows_ == panel_rows) {
      _mm256_storeu_ps(out, first);
      _mm256_storeu_ps(out + Avx2::lanes, second);
      return;
    }
    // In an array of their own: whole panels' values stay in registers.
    const __m256 values[halves] = {first, second};
    std::memcpy(out, values, rows_ * sizeof(float));
  }

 private:
  [[gnu::always_inline]] __m256 half(const ScaleBytes& sums, uint32_t h, const TakenOut* taken_out,
                                     __m256 scale) const {
    const JoinedSums<compact> joined(sums, h);
    __m128 rounded[2];
    for (uint32_t i = 0; i < 2; ++i) {
      const uint32_t quarter = 2 * h + i;
      __m256d sum = joined.rows[i];
      if (taken_out != nullptr) sum = _mm256_add_pd(sum, taken_out->rows[quarter]);
      rounded[i] = _mm256_cvtpd_ps(_mm256_sub_pd(sum, load_as<__m256d>(biases_ + 4 * quarter)));
    }
    return _mm256_mul_ps(_mm256_insertf128_ps(_mm256_castps128_ps256(rounded[0]), rounded[1], 1),
                         _mm256_mul_ps(scale, powers_[h]));
  }

  __m256 powers_[halves];
  double biases_[panel_rows];
  uint32_t rows_;
};

/// Sums of `count` panels' rows times one token, with what was taken out of them.
template <int count, bool compact, int bias>
class PanelSums {
 public:
  PanelSums() {
    for (ScaleBytes& sums : sums_) clear<compact>(sums);
  }

  ScaleBytes& operator[](int panel) { return sums_[panel]; }
  /// To be added to by who has begun to take sums out.
  TakenOut& taken_out(int panel) { return taken_out_[panel]; }

  void begin_taking_out() {
    if (!taken_out_any_) std::memset(taken_out_, 0, sizeof taken_out_);
    taken_out_any_ = true;
  }
  /// Takes all sums out, before they could overflow.
  void take_all_out() {
    begin_taking_out();
    for (int p = 0; p < count; ++p) take_out<compact>(sums_[p], taken_out_[p]);
  }

  /// The ends of the rows of the panels.
  [[gnu::always_inline]] void finish(const MatrixView& m, const uint32_t* panels, float token_scale,
                                     float* output) const {
    for (int p = 0; p < count; ++p) {
      const uint32_t row = panels[p] * panel_rows;
      const PanelEnd<compact, bias> end(m, row);
      end.finish(sums_[p], taken_out_any_ ? &taken_out_[p] : nullptr, token_scale, output + row);
    }
  }

 private:
  ScaleBytes sums_[count];
  TakenOut taken_out_[count];
  bool taken_out_any_ = false;
};

}  // namespace
}  // namespace accllm::emulator::fast
