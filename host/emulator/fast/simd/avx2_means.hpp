#pragma once

#include "avx2.hpp"
#include "means.hpp"

/// \file
/// AVX2's products of queries with key means.

namespace accllm::emulator::fast {
namespace {

/// A pair of products fits 32 bits: codes reach 32,767 in magnitude, table entries 32,768. The sum C of up to
/// 128 of them does not. So two sums are kept: L of the products modulo 2^32, and H of the products divided
/// by 2^14 and rounded down, at most 2^24 in magnitude. C - 2^14 H is the sum of what was cut off, below
/// 2^21, and thus L - 2^14 H modulo 2^32. That takes half the multiplications of splitting one factor in two.
///
/// (alpha, beta) times an entry of the table is at most the product of their lengths. Where those of several
/// rows of the table add up to less than 2^31, only the sum of their products goes into L and H. Such rows
/// lie far apart: neighbouring frequencies are often large together.
template <>
struct MeanProduct<Avx2> {
  struct Query {
    int32_t pairs[most_head_dim / 2];
    /// Rows whose products may be added up in 32 bits.
    uint32_t run;

    void set(const int16_t* codes, uint32_t count, float radius) {
      constexpr uint32_t lanes = Avx2::lanes;
      std::memcpy(pairs, codes, count * sizeof(int32_t));
      std::memset(pairs + count, 0, (lanes - count % lanes) % lanes * sizeof(int32_t));
      // Lengths, none too small.
      int32_t lengths[most_head_dim / 2 + lanes];
      for (uint32_t k = 0; k < count; k += lanes) {
        const __m256i pair = load_as<__m256i>(pairs + k);
        const __m256 length = _mm256_sqrt_ps(_mm256_cvtepi32_ps(_mm256_madd_epi16(pair, pair)));
        store_as(lengths + k, _mm256_add_epi32(_mm256_cvttps_epi32(length), _mm256_set1_epi32(1)));
      }
      const auto most = static_cast<int32_t>(2147483647.0 / static_cast<double>(radius));
      run = most_run;
      while (run > 1 && !fits(lengths, count / run, most)) --run;
    }

   private:
    static constexpr uint32_t most_run = 4;

    /// Whether lengths [groups * i + g] of all i < run are at most `most` together for all g < groups.
    bool fits(const int32_t* lengths, uint32_t groups, int32_t most) const {
      const __m256i lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
      __m256i over = _mm256_setzero_si256();
      for (uint32_t g = 0; g < groups; g += Avx2::lanes) {
        __m256i sum = load_as<__m256i>(lengths + g);
        for (uint32_t i = 1; i < run; ++i)
          sum = _mm256_add_epi32(sum, load_as<__m256i>(lengths + i * groups + g));
        const __m256i used = _mm256_cmpgt_epi32(_mm256_set1_epi32(static_cast<int32_t>(groups - g)), lane);
        const __m256i large = _mm256_cmpgt_epi32(sum, _mm256_set1_epi32(most));
        over = _mm256_or_si256(over, _mm256_and_si256(large, used));
      }
      return _mm256_testz_si256(over, over) != 0;
    }
  };

  static void multiply(const Query& query, const int32_t* words, size_t stride, uint32_t pairs, float factor,
                       uint32_t vectors, float* out) {
    switch (query.run) {
      case 4:
        return multiply_runs<4>(query, words, stride, pairs, factor, vectors, out);
      case 3:
        return multiply_runs<3>(query, words, stride, pairs, factor, vectors, out);
      case 2:
        return multiply_runs<2>(query, words, stride, pairs, factor, vectors, out);
      default:
        return multiply_runs<1>(query, words, stride, pairs, factor, vectors, out);
    }
  }

 private:
  /// A function of its own for the registers.
  template <uint32_t run>
  [[gnu::noinline]] static void multiply_runs(const Query& query, const int32_t* words, size_t stride,
                                              uint32_t pairs, float factor, uint32_t vectors, float* out) {
    uint32_t v = 0;
    for (; v + 4 <= vectors; v += 4)
      multiply_few<4, run>(query, words + v * Avx2::lanes, stride, pairs, factor, out + v * Avx2::lanes);
    for (; v + 2 <= vectors; v += 2)
      multiply_few<2, run>(query, words + v * Avx2::lanes, stride, pairs, factor, out + v * Avx2::lanes);
    if (v < vectors)
      multiply_few<1, run>(query, words + v * Avx2::lanes, stride, pairs, factor, out + v * Avx2::lanes);
  }

  template <uint32_t vectors, uint32_t run>
  static void multiply_few(const Query& query, const int32_t* words, size_t stride, uint32_t pairs,
                           float factor, float* out) {
    Sums<vectors> sums;
    const uint32_t groups = pairs / run;
    add<vectors, run>(query.pairs, words, stride, groups, sums);
    const uint32_t done = groups * run;
    if (run > 1) add<vectors, 1>(query.pairs + done, words + done * stride, stride, pairs - done, sums);
    for (uint32_t v = 0; v < vectors; ++v)
      _mm256_storeu_ps(out + v * Avx2::lanes, _mm256_mul_ps(sums.value(v), _mm256_set1_ps(factor)));
  }

  template <uint32_t vectors>
  struct Sums {
    __m256i low[vectors];
    __m256i high[vectors];

    Sums() {
      for (uint32_t v = 0; v < vectors; ++v) low[v] = high[v] = _mm256_setzero_si256();
    }
    /// float(C): float32 holds both parts exactly, and their sum is rounded once.
    __m256 value(uint32_t v) const {
      const __m256i rest = _mm256_sub_epi32(low[v], _mm256_slli_epi32(high[v], 14));
      return _mm256_add_ps(_mm256_mul_ps(_mm256_cvtepi32_ps(high[v]), _mm256_set1_ps(16384.0f)),
                           _mm256_cvtepi32_ps(rest));
    }
  };

  /// Adds rows groups * i + g of all i < run and g < groups. Opaque pointers and sums keep the compiler from
  /// an order that needs more registers than there are.
  template <uint32_t vectors, uint32_t run>
  static void add(const int32_t* pairs, const int32_t* words, size_t stride, uint32_t groups,
                  Sums<vectors>& sums) {
    Sums<vectors> now = sums;
    const int32_t* query[run];
    const int32_t* row[run];
    for (uint32_t i = 0; i < run; ++i) {
      query[i] = pairs + i * groups;
      row[i] = words + i * groups * stride;
      asm("" : "+r"(row[i]), "+r"(query[i]));
    }
    for (uint32_t g = 0; g < groups; ++g) {
      __m256i products[vectors];
      for (uint32_t i = 0; i < run; ++i) {
        const __m256i pair = _mm256_set1_epi32(query[i][g]);
        for (uint32_t v = 0; v < vectors; ++v) {
          const __m256i product = _mm256_madd_epi16(pair, load_as<__m256i>(row[i] + v * Avx2::lanes));
          products[v] = i == 0 ? product : _mm256_add_epi32(products[v], product);
          asm("" : "+x"(products[v]));
        }
        row[i] += stride;
        asm("" : "+r"(row[i]));
      }
      for (uint32_t v = 0; v < vectors; ++v) {
        now.low[v] = _mm256_add_epi32(now.low[v], products[v]);
        now.high[v] = _mm256_add_epi32(now.high[v], _mm256_srai_epi32(products[v], 14));
      }
    }
    sums = now;
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
