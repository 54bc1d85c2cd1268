#pragma once

#include "avx2_block.hpp"

/// \file
/// Panels of two-bit rows, dense or 2:4, times a block of tokens with AVX2. A group's byte products stay in
/// sums of 16 bits, two a row. Its scale's high and low byte multiply and widen them in one instruction each,
/// into two sums of 32 bits that are put together before they can overflow: products of 64 bits would take
/// half as many instructions again. Dense zero-points, which weigh the groups' activation sums, go the same
/// way, two groups at a time.

namespace accllm::emulator::fast {
namespace {

/// Groups whose sums fit 32 bits. Of one |sum of (2c - zh) * a| <= 31 * 127 * 64 (dense) or 15 * 255 * 32
/// (2:4, biased activations), times a byte. What lies between may wrap.
constexpr uint32_t exact_groups = 32;
static_assert(uint64_t{exact_groups} * 31 * 127 * 64 * 255 < uint64_t{1} << 31);
static_assert(exact_groups % run_groups == 0 && run_groups % set_groups == 0);

/// Halves of a panel, eight rows each.
constexpr uint32_t halves = panel_rows / Avx2::lanes;

/// What a group's sums count for, two numbers of 16 bits a row: the high and the low byte of the scale.
struct ScaleBytes {
  __m256i high[halves];
  __m256i low[halves];
};

/// A run of groups of a panel, unpacked.
struct UnpackedRun {
  /// Dense: codes, quad by quad. 2:4: positions and weights, in turns.
  __m256i vectors[halves][run_groups][group_inputs / 4];
  /// Twice, as 16-bit sums are two a row; dense times two, as sums are of codes and zero-points half steps.
  ScaleBytes scales[run_groups];
  /// Times minus the zero-point, of two groups.
  ScaleBytes zeros[run_groups / 2];
};

/// What a thread works on, in its scratch.
struct alignas(line_bytes) TwoBitScratch {
  UnpackedRun run;
  ScaleBytes sums[most_tokens];
  /// What was taken out of the sums, in doubles, which hold it exactly: 256 * high + low of four rows each.
  __m256d flushed[most_tokens][panel_rows / 4];
  /// Activation sums of two groups, 16 bits each.
  int32_t pairs[accel::limit::columns / group_inputs / 2 + run_groups / 2][most_tokens];
};
static_assert(sizeof(TwoBitScratch) <= product_scratch_bytes);

/// Two numbers a row, in the order of the rows.
inline void interleave(__m256i first, __m256i second, __m256i* out) {
  const __m256i low = _mm256_unpacklo_epi16(first, second);
  const __m256i high = _mm256_unpackhi_epi16(first, second);
  out[0] = _mm256_permute2x128_si256(low, high, 0x20);
  out[1] = _mm256_permute2x128_si256(low, high, 0x31);
}

inline __m256i add_madd(__m256i sum, __m256i a, __m256i b) {
  return _mm256_add_epi32(sum, _mm256_madd_epi16(a, b));
}

/// A dense group: codes times activations. A half's 32 products make at most 32 * 3 * 127 = 12,192.
template <int tokens>
[[gnu::always_inline]] inline void dense_sums(const UnpackedRun& run, uint32_t at, const int8_t* activations,
                                              __m256i (&sums)[halves][tokens]) {
  // Straight-line code, in which sums stay in their registers.
#pragma GCC unroll 16
  for (uint32_t v = 0; v < group_inputs / 4; ++v) {
    __m256i quads[tokens];
    for (int t = 0; t < tokens; ++t) quads[t] = broadcast_quad(activations + t * group_inputs + 4 * v);
    for (uint32_t h = 0; h < halves; ++h) {
      const __m256i codes = run.vectors[h][at][v];
      for (int t = 0; t < tokens; ++t)
        sums[h][t] = v == 0 ? products(codes, quads[t]) : add_products(sums[h][t], codes, quads[t]);
    }
  }
}

/// `count` of the eight vectors of a 2:4 group. Eight products in a half make at most 8 * 255 * 15 = 30,600,
/// sixteen with zero-points up to 7 at most 16 * 255 * 7 = 28,560.
template <int tokens, uint32_t count>
[[gnu::always_inline]] inline void kept_sums(const UnpackedRun& run, uint32_t at, uint32_t first,
                                             const int8_t* activations, __m256i (&sums)[halves][tokens]) {
#pragma GCC unroll 8
  for (uint32_t v = 0; v < count; ++v) {
    const uint32_t vector = 2 * (first + v);
    Avx2::U8 picked_from[tokens];
    for (int t = 0; t < tokens; ++t)
      picked_from[t] = Avx2::chunk(activations + t * group_inputs + vector / 4 * chunk_inputs);
    for (uint32_t h = 0; h < halves; ++h) {
      const auto places = Avx2::U8(run.vectors[h][at][vector]);
      const __m256i weights = run.vectors[h][at][vector + 1];
      for (int t = 0; t < tokens; ++t) {
        const auto picked = __m256i(Avx2::pick(picked_from[t], places));
        sums[h][t] = v == 0 ? products(picked, weights) : add_products(sums[h][t], picked, weights);
      }
    }
  }
}

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
    if (!dense)
      prefetch_lines(reinterpret_cast<const uint8_t*>(m_.weight_sums + row_), panel_rows * sizeof(int64_t));
    std::memset(s_.sums, 0, sizeof s_.sums);
    if (flushes()) std::memset(s_.flushed, 0, sizeof s_.flushed);
    for (uint32_t first = 0; first < m_.groups; first += run_groups) {
      const uint32_t last = m_.groups - first < run_groups ? m_.groups : first + run_groups;
      if (first != 0 && first % exact_groups == 0) flush();
      unpack_run(first, last);
      ahead_ = RunAhead(m_, panel_, last, token_tiles(block_.tokens, Avx2::token_tile) * (last - first));
      const bool small = !dense && zeros_are_small(first, last);
      uint32_t t = 0;
      for (; t + Avx2::token_tile <= block_.tokens; t += Avx2::token_tile)
        add_run<Avx2::token_tile>(first, last, t, small);
      for (; t < block_.tokens; ++t) add_run<1>(first, last, t, small);
    }
    finish(output);
  }

 private:
  static constexpr size_t group_bytes = size_t{chunks} * line_bytes;

  void unpack_run(uint32_t first, uint32_t last) {
    for (uint32_t g = first; g < last; ++g) {
      const GroupPlace at = place_of(group_bytes, g);
      for (uint32_t h = 0; h < halves; ++h) {
        const uint8_t* lines = panel_ + at.codes + h * sizeof(__m256i);
        auto* vectors = reinterpret_cast<uint8_t*>(s_.run.vectors[h][g - first]);
        if (dense)
          BlockForm<Avx2>::unpack_dense<1>(lines, Avx2::U8{}, vectors);
        else
          unpack_sparse<Avx2>(lines, Avx2::spread(panel_ + at.zeros + h * Avx2::lanes), vectors);
      }
      unpack_scales(at, g - first);
    }
    // The last pair of an odd number has one group.
    if (dense && (last - first) % 2 != 0) pair_zeros((last - first) / 2, __m256i{}, __m256i{});
  }

  void unpack_scales(const GroupPlace& at, uint32_t group) {
    const __m256i scales = load_256(panel_ + at.scales);
    const __m256i high = _mm256_srli_epi16(scales, 8);
    const __m256i low = _mm256_and_si256(scales, _mm256_set1_epi16(255));
    const __m256i high_factor = _mm256_slli_epi16(high, dense);
    const __m256i low_factor = _mm256_slli_epi16(low, dense);
    ScaleBytes& out = s_.run.scales[group];
    interleave(high_factor, high_factor, out.high);
    interleave(low_factor, low_factor, out.low);
    if (!dense) return;
    const __m256i minus =
        _mm256_sub_epi16(__m256i{}, _mm256_cvtepu8_epi16(load_as<__m128i>(panel_ + at.zeros)));
    const __m256i by_high = _mm256_mullo_epi16(high, minus);
    const __m256i by_low = _mm256_mullo_epi16(low, minus);
    if (group % 2 == 0) {
      even_high_ = by_high;
      even_low_ = by_low;
    } else {
      pair_zeros(group / 2, by_high, by_low);
    }
  }

  void pair_zeros(uint32_t pair, __m256i odd_high, __m256i odd_low) {
    interleave(even_high_, odd_high, s_.run.zeros[pair].high);
    interleave(even_low_, odd_low, s_.run.zeros[pair].low);
  }

  bool zeros_are_small(uint32_t first, uint32_t last) const {
    __m128i any = {};
    for (uint32_t g = first; g < last; ++g)
      any = _mm_or_si128(any, load_as<__m128i>(panel_ + place_of(group_bytes, g).zeros));
    return _mm_testz_si128(any, _mm_set1_epi8(static_cast<char>(~7))) != 0;
  }

  template <int tokens>
  [[gnu::always_inline]] void add_sums(const __m256i (&sums)[halves][tokens], const ScaleBytes& scales,
                                       uint32_t token) {
    for (uint32_t h = 0; h < halves; ++h) {
      for (int t = 0; t < tokens; ++t) {
        ScaleBytes& sum = s_.sums[token + t];
        sum.high[h] = add_madd(sum.high[h], sums[h][t], scales.high[h]);
        sum.low[h] = add_madd(sum.low[h], sums[h][t], scales.low[h]);
      }
    }
  }

  /// Adds the unpacked run for `tokens` tokens from `token` on. A function of its own, which has all
  /// registers.
  template <int tokens>
  [[gnu::noinline]] void add_run(uint32_t first, uint32_t last, uint32_t token, bool small) {
    for (uint32_t g = first; g < last; ++g) {
      const int8_t* activations = block_.codes + (size_t{g} * block_.tokens + token) * group_inputs;
      const ScaleBytes& scales = s_.run.scales[g - first];
      ahead_.ask();
      __m256i sums[halves][tokens];
      if (dense) {
        dense_sums<tokens>(s_.run, g - first, activations, sums);
      } else if (small) {
        kept_sums<tokens, 8>(s_.run, g - first, 0, activations, sums);
      } else {
        kept_sums<tokens, 4>(s_.run, g - first, 0, activations, sums);
        add_sums<tokens>(sums, scales, token);
        kept_sums<tokens, 4>(s_.run, g - first, 4, activations, sums);
      }
      add_sums<tokens>(sums, scales, token);
    }
    if (dense) add_zeros<tokens>(first, last, token);
  }

  template <int tokens>
  void add_zeros(uint32_t first, uint32_t last, uint32_t token) {
    const uint32_t pairs = (last - first + 1) / 2;
    for (int t = 0; t < tokens; ++t) {
      ScaleBytes sum = s_.sums[token + t];
      for (uint32_t pair = 0; pair < pairs; ++pair) {
        const __m256i both = broadcast_quad(&s_.pairs[first / 2 + pair][token + t]);
        const ScaleBytes& zeros = s_.run.zeros[pair];
        for (uint32_t h = 0; h < halves; ++h) {
          sum.high[h] = add_madd(sum.high[h], zeros.high[h], both);
          sum.low[h] = add_madd(sum.low[h], zeros.low[h], both);
        }
      }
      s_.sums[token + t] = sum;
    }
  }

  bool flushes() const { return m_.groups > exact_groups; }

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

  /// Takes the sums out before they can overflow.
  void flush() {
    for (uint32_t t = 0; t < block_.tokens; ++t) {
      for (uint32_t h = 0; h < halves; ++h) {
        const Joined sums(s_.sums[t].high[h], s_.sums[t].low[h]);
        __m256d* flushed = s_.flushed[t] + 2 * h;
        for (int i = 0; i < 2; ++i) flushed[i] = _mm256_add_pd(flushed[i], sums.rows[i]);
      }
      s_.sums[t] = {};
    }
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
    for (uint32_t i = 0; !dense && i < panel_rows; ++i)
      biases[i] = static_cast<double>(Avx2::bias * m_.weight_sums[row_ + i]);
    for (uint32_t t = 0; t < block_.tokens; ++t) {
      const __m256 scale = _mm256_set1_ps(block_.scales[t]);
      __m256 values[halves];
      for (uint32_t h = 0; h < halves; ++h) {
        Joined sums(s_.sums[t].high[h], s_.sums[t].low[h]);
        __m128 rounded[2];
        for (int i = 0; i < 2; ++i) {
          __m256d& sum = sums.rows[i];
          if (flushes()) sum = _mm256_add_pd(sum, s_.flushed[t][2 * h + i]);
          if (!dense) sum = _mm256_sub_pd(sum, load_as<__m256d>(biases + 8 * h + 4 * i));
          rounded[i] = _mm256_cvtpd_ps(sum);
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
  /// Zero-points times scales of a pair's first group.
  __m256i even_high_ = {};
  __m256i even_low_ = {};
};

template <bool dense>
void two_bit_panels(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                    const OutputView& output, uint8_t* scratch) {
  auto& s = *reinterpret_cast<TwoBitScratch*>(scratch);
  for (uint32_t g = 0; dense && g < m.groups; ++g) {
    for (uint32_t t = 0; t < block.tokens; ++t) {
      // Sums of a group are below 2^13.
      const int32_t sum = block.sums[size_t{g} * block.tokens + t];
      int32_t& pair = s.pairs[g / 2][t];
      pair = g % 2 == 0 ? sum & 0xffff : pair | sum * (1 << 16);
    }
  }
  for (uint32_t index = first; index < last; ++index) TwoBitPanel<dense>(m, index, block, s).multiply(output);
}

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
};

}  // namespace
}  // namespace accllm::emulator::fast
