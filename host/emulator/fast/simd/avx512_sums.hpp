#pragma once

#include "avx512.hpp"
#include "product.hpp"

/// \file
/// Sums over the groups of two-bit weights with AVX-512. The high and the low byte of a group's scale
/// multiply its 16-bit sums and add up in 32 bits, each in one instruction; they are put together before they
/// can overflow.

namespace accllm::emulator::fast {
namespace {

inline __m512i load_512(const void* from) { return _mm512_loadu_si512(from); }

/// Largest magnitudes of an activation and of the sum of a group's, of a zero-point, and of a byte of a
/// scale.
constexpr int64_t most_magnitude = 128;
constexpr int64_t most_activation_sum = group_inputs * most_magnitude;
constexpr int64_t most_zero = 31;
constexpr int64_t most_scale_byte = 255;

/// The high and the low bytes of scales, or what was summed up with them, a lane a row.
struct ByteSums {
  __m512i high;
  __m512i low;
};

/// The bytes of scales of 16 bits.
inline ByteSums split(__m512i scales) {
  return {_mm512_srli_epi16(scales, 8), _mm512_and_si512(scales, _mm512_set1_epi32(0x00ff00ff))};
}

/// Adds the products of 16-bit halves, a row's two.
inline void add_halves(ByteSums& sums, __m512i halves, const ByteSums& scales) {
  sums.high = _mm512_dpwssd_epi32(sums.high, halves, scales.high);
  sums.low = _mm512_dpwssd_epi32(sums.low, halves, scales.low);
}

/// Sixteen rows' sums in doubles, which hold them exactly.
struct RowSums {
  __m512d rows[2];

  RowSums& operator+=(const RowSums& other) {
    for (int i = 0; i < 2; ++i) rows[i] = _mm512_add_pd(rows[i], other.rows[i]);
    return *this;
  }
  RowSums& operator-=(const RowSums& other) {
    for (int i = 0; i < 2; ++i) rows[i] = _mm512_sub_pd(rows[i], other.rows[i]);
    return *this;
  }
};

/// Eight lanes as doubles, the first ones or the last.
inline __m512d to_doubles(__m512i lanes, int half) {
  return _mm512_cvtepi32_pd(half == 0 ? _mm512_castsi512_si256(lanes) : _mm512_extracti64x4_epi64(lanes, 1));
}

/// 256 * high + low.
inline RowSums join(const ByteSums& sums) {
  RowSums joined;
  for (int i = 0; i < 2; ++i) {
    const __m512d high = _mm512_mul_pd(to_doubles(sums.high, i), _mm512_set1_pd(256.0));
    joined.rows[i] = _mm512_add_pd(high, to_doubles(sums.low, i));
  }
  return joined;
}

/// The end of a panel's rows, as finish_rows.
class Avx512PanelEnd {
 public:
  Avx512PanelEnd(const MatrixView& m, uint32_t row)
      : rows_(m.rows - row < panel_rows ? m.rows - row : panel_rows) {
    const __m512i exponents = _mm512_cvtepi8_epi32(load_as<__m128i>(m.exponents + row));
    powers_ = __m512((Avx512::I32(exponents) + (127 - 1)) << 23);
  }

  void finish(const RowSums& sums, float token_scale, float* out) const {
    const Avx512::F32 rounded(_mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(sums.rows[0])),
                                                 _mm512_cvtpd_ps(sums.rows[1]), 1));
    const Avx512::F32 values = rounded * (token_scale * Avx512::F32(powers_));
    // A whole vector, where memcpy would move parts of it.
    if (rows_ == panel_rows)
      store_as(out, values);
    else
      std::memcpy(out, &values, rows_ * sizeof(float));
  }

 private:
  __m512 powers_;
  uint32_t rows_;
};

}  // namespace
}  // namespace accllm::emulator::fast
