#pragma once

#include "avx2_two_bit.hpp"

/// \file
/// Panels of two-bit weights times a block of tokens with AVX2. The high and the low byte of a group's scale
/// multiply and widen its 16-bit sums in one instruction each, into two sums of 32 bits that are put together
/// before they can overflow: products of 64 bits would take half as many instructions again.

namespace accllm::emulator::fast {
namespace {

/// Largest sum over groups of their largest weight, so that 32 bits hold them times a byte.
constexpr uint32_t most_weights = ((1u << 31) - 1) / (group_inputs * most_activation * 255);
static_assert(run_groups * 31 <= most_weights);

/// What a thread works on, in its scratch.
struct alignas(line_bytes) TwoBitScratch {
  UnpackedRun run;
  ScaleBytes sums[most_tokens];
  /// What was taken out of the sums, in doubles, which hold it exactly: 256 * high + low of four rows each.
  __m256d flushed[most_tokens][panel_rows / 4];
};
static_assert(sizeof(TwoBitScratch) <= product_scratch_bytes);

/// A panel of a matrix times a block.
template <bool dense>
class TwoBitPanel {
 public:
  TwoBitPanel(const MatrixView& m, uint32_t index, const BlockView& block, TwoBitScratch& scratch)
      : m_(m),
        block_(block),
        panel_(m.panels + index * m.panel_bytes),
        row_(index * panel_rows),
        s_(scratch) {}

  void multiply(const OutputView& output) {
    __builtin_prefetch(m_.exponents + row_);
    prefetch_lines(reinterpret_cast<const uint8_t*>(m_.weight_sums + row_), panel_rows * sizeof(int64_t));
    std::memset(s_.sums, 0, sizeof s_.sums);
    for (uint32_t first = 0; first < m_.groups; first += run_groups) {
      const uint32_t last = m_.groups - first < run_groups ? m_.groups : first + run_groups;
      unpack_run<dense>(panel_, first, last, s_.run);
      weights_ += s_.run.most_weight * (last - first);
      if (weights_ > most_weights) flush();
      ahead_ = RunAhead(m_, panel_, last, token_tiles(block_.tokens, Avx2::token_tile) * (last - first));
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

  void add_tokens(uint32_t first, uint32_t last) {
    const uint32_t weight = s_.run.most_weight;
    if (weight <= fitting(vectors)) return add_run<vectors>(first, last);
    if (!dense || weight <= fitting(vectors / 2)) return add_run<vectors / 2>(first, last);
    if (weight <= fitting(vectors / 4)) return add_run<vectors / 4>(first, last);
    add_run<vectors / 8>(first, last);
  }

  template <uint32_t count>
  void add_run(uint32_t first, uint32_t last) {
    uint32_t t = 0;
    for (; t + Avx2::token_tile <= block_.tokens; t += Avx2::token_tile)
      add_tile<Avx2::token_tile, count>(first, last, t);
    for (; t < block_.tokens; ++t) add_tile<1, count>(first, last, t);
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
          for (int t = 0; t < tokens; ++t) {
            ScaleBytes& sum = s_.sums[token + t];
            sum.high[h] = add_scaled(sum.high[h], sums[h][t], scales.high[h]);
            sum.low[h] = add_scaled(sum.low[h], sums[h][t], scales.low[h]);
          }
        }
      }
    }
  }

  static __m256i add_scaled(__m256i sum, __m256i products, __m256i scales) {
    return _mm256_add_epi32(sum, _mm256_madd_epi16(products, scales));
  }

  /// The 32-bit sums of a token and half put together, four rows each.
  struct Joined {
    __m256d rows[2];

    Joined(__m256i high, __m256i low)
        : rows{join(_mm256_castsi256_si128(high), _mm256_castsi256_si128(low)),
               join(_mm256_extracti128_si256(high, 1), _mm256_extracti128_si256(low, 1))} {}

   private:
    static __m256d join(__m128i high, __m128i low) {
      const __m256d shifted = _mm256_mul_pd(_mm256_cvtepi32_pd(high), _mm256_set1_pd(256.0));
      return _mm256_add_pd(shifted, _mm256_cvtepi32_pd(low));
    }
  };

  /// Takes the sums out before the unpacked run could make them overflow.
  void flush() {
    if (!flushed_) std::memset(s_.flushed, 0, sizeof s_.flushed);
    flushed_ = true;
    for (uint32_t t = 0; t < block_.tokens; ++t) {
      for (uint32_t h = 0; h < halves; ++h) {
        const Joined sums(s_.sums[t].high[h], s_.sums[t].low[h]);
        __m256d* flushed = s_.flushed[t] + 2 * h;
        for (int i = 0; i < 2; ++i) flushed[i] = _mm256_add_pd(flushed[i], sums.rows[i]);
      }
      s_.sums[t] = {};
    }
    weights_ = s_.run.most_weight * run_groups;
  }

  /// As finish_rows.
  void finish(const OutputView& output) const {
    const __m256i bias = _mm256_set1_epi32(127 - 1);
    __m256 powers[halves];
    double biases[panel_rows];
    for (uint32_t h = 0; h < halves; ++h) {
      const auto eight = load_as<int64_t>(m_.exponents + row_ + h * Avx2::lanes);
      const __m256i exponents = _mm256_cvtepi8_epi32(_mm_cvtsi64_si128(eight));
      powers[h] = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(exponents, bias), 23));
    }
    for (uint32_t i = 0; i < panel_rows; ++i)
      biases[i] = static_cast<double>(Avx2::bias * m_.weight_sums[row_ + i]);
    for (uint32_t t = 0; t < block_.tokens; ++t) {
      const __m256 scale = _mm256_set1_ps(block_.scales[t]);
      __m256 values[halves];
      for (uint32_t h = 0; h < halves; ++h) {
        Joined sums(s_.sums[t].high[h], s_.sums[t].low[h]);
        __m128 rounded[2];
        for (int i = 0; i < 2; ++i) {
          __m256d& sum = sums.rows[i];
          if (flushed_) sum = _mm256_add_pd(sum, s_.flushed[t][2 * h + i]);
          rounded[i] = _mm256_cvtpd_ps(_mm256_sub_pd(sum, load_as<__m256d>(biases + 8 * h + 4 * i)));
        }
        values[h] = _mm256_mul_ps(_mm256_insertf128_ps(_mm256_castps128_ps256(rounded[0]), rounded[1], 1),
                                  _mm256_mul_ps(scale, powers[h]));
      }
      float* out = output.data + t * output.stride + row_;
      if (m_.rows - row_ >= panel_rows)
        std::memcpy(out, values, sizeof values);
      else
        std::memcpy(out, values, (m_.rows - row_) * sizeof(float));
    }
  }

  const MatrixView& m_;
  const BlockView& block_;
  const uint8_t* panel_;
  const uint32_t row_;
  TwoBitScratch& s_;
  RunAhead ahead_;
  /// Largest weights of the groups in the 32-bit sums, added up.
  uint32_t weights_ = 0;
  bool flushed_ = false;
};

template <>
struct BlockProduct<Avx2> {
  static void multiply(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                       const OutputView& output, uint8_t* scratch) {
    switch (m.format) {
      case accel::weight_format::w2:
        return two_bit_panels<true>(m, block, first, last, output, scratch);
      case accel::weight_format::w2s24:
        return two_bit_panels<false>(m, block, first, last, output, scratch);
      case accel::weight_format::w4:
        return panels_times_block<Avx2, accel::weight_format::w4>(m, block, first, last, output, scratch);
      default:
        return panels_times_block<Avx2, accel::weight_format::w8>(m, block, first, last, output, scratch);
    }
  }

 private:
  template <bool dense>
  static void two_bit_panels(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                             const OutputView& output, uint8_t* scratch) {
    auto& own = *reinterpret_cast<TwoBitScratch*>(scratch);
    for (uint32_t index = first; index < last; ++index)
      TwoBitPanel<dense>(m, index, block, own).multiply(output);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
