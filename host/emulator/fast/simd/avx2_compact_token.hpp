#pragma once

#include "avx2_compact.hpp"
#include "avx2_scaled_sums.hpp"

/// \file
/// Compact panels of dense two-bit weights times one token with AVX2. A group's sum of 16 bits meets its
/// scale in one product, and zero codes times scales meet the sums of two groups' activations in another.

namespace accllm::emulator::fast {
namespace {

/// Groups whose sums add up in 32 bits, of any zero codes: |2c - zh| is at most 15, and 64 times that times
/// 127 and a scale of 255 is below 2^25. (Parts of a sum may be larger, as they are modulo 2^32.)
constexpr uint32_t compact_groups = 64;
static_assert(uint64_t{compact_most_zero} * group_inputs * 127 * 255 * compact_groups < uint64_t{1} << 31);
static_assert(compact_groups % set_groups == 0);

/// The number, of which the compiler does not know that it is constant: a loop stays a loop. A set's groups
/// one behind another would be some 1,300 instructions, more than the decoded ones that a core keeps where
/// another thread has half of it, and a twentieth slower there.
inline uint32_t in_a_loop(uint32_t count) {
  asm("" : "+r"(count));
  return count;
}

/// `count` panels times the token, far apart.
template <int count>
class CompactPanels {
 public:
  CompactPanels(const MatrixView& m, const uint32_t* indices, const BlockView& block)
      : m_(m), indices_(indices), block_(block) {
    for (int p = 0; p < count; ++p) at_[p] = m.panels + indices[p] * m.panel_bytes;
  }

  /// A function of its own, which has all registers.
  [[gnu::noinline]] void multiply(float* output) {
    for (int p = 0; p < count; ++p) ask_for_end(m_, indices_[p], output);
    for (uint32_t first = 0; first < m_.groups; first += set_groups) {
      if (first % compact_groups == 0 && first > 0) sums_.take_all_out();
      add_set(first);
      for (int p = 0; p < count; ++p) at_[p] += compact_set_bytes;
    }
    sums_.finish(m_, indices_, block_.scales[0], output);
  }

 private:
  /// Where a group's codes and activations lie.
  struct GroupCodes {
    const uint8_t* lines[count];
    const int8_t* activations;

    /// Goes on to the next group of the set. As pointers of their own: with one index for all, each operand
    /// in memory takes two registers, which made the whole product a twentieth slower.
    [[gnu::always_inline]] void next() {
      for (const uint8_t*& line : lines) {
        line += two_bit_group_bytes;
        asm("" : "+r"(line));
      }
      activations += group_inputs;
      asm("" : "+r"(activations));
    }
  };

  /// Asks for a line as far ahead as dense panels do.
  [[gnu::always_inline]] static void ask(const uint8_t* line) {
    constexpr size_t ahead = 2560;
    _mm_prefetch(line + ahead, _MM_HINT_NTA);
  }

  /// Adds the set of groups that begins with `first`. A group that is missing has scales of 0.
  [[gnu::always_inline]] void add_set(uint32_t first) {
    const __m256i pairs[2] = {pair_sums(block_.sums + first), pair_sums(block_.sums + first + 2)};
    GroupCodes codes;
    for (int p = 0; p < count; ++p) {
      for (size_t place = 0; place < compact_codes_at; place += line_bytes) ask(at_[p] + place);
      for (uint32_t h = 0; h < halves; ++h)
        sums_[p].high[h] = _mm256_sub_epi32(sums_[p].high[h], scaled_zeros(at_[p], h, pairs));
      codes.lines[p] = at_[p] + compact_codes_at;
    }
    codes.activations = block_.codes + size_t{first} * group_inputs;
    const uint32_t left = m_.groups - first;
    const uint32_t groups = left < set_groups ? left : in_a_loop(set_groups);
    for (uint32_t g = 0; g < groups; ++g, codes.next()) add_group(codes, g);
  }

  /// The sums of two groups' activations in all lanes, 16 bits each.
  static __m256i pair_sums(const int32_t* sums) {
    const __m256i both = _mm256_set1_epi64x(load_as<int64_t>(sums));
    return _mm256_packs_epi32(both, both);
  }

  /// Zero codes times scales times the sums of activations, of a set and eight rows.
  [[gnu::always_inline]] static __m256i scaled_zeros(const uint8_t* set, uint32_t half,
                                                     const __m256i* pairs) {
    const __m256i codes = _mm256_cvtepu8_epi16(load_as<__m128i>(set + half * sizeof(__m128i)));
    const __m256i zeros[2] = {_mm256_and_si256(codes, _mm256_set1_epi16(15)), _mm256_srli_epi16(codes, 4)};
    __m256i sums[2];
    for (uint32_t pair = 0; pair < 2; ++pair) {
      const __m256i scales = pair_scales(set + scales_at(2 * pair, half));
      sums[pair] = _mm256_madd_epi16(_mm256_mullo_epi16(zeros[pair], scales), pairs[pair]);
    }
    return _mm256_add_epi32(sums[0], sums[1]);
  }

  /// Where a set has the scales of a half of the rows and the pair that group `in_set` is in.
  static size_t scales_at(uint32_t in_set, uint32_t half) {
    return compact_scales_at + (in_set / 2 * halves + half) * sizeof(__m128i);
  }

  /// Adds the products of a field of the lines, or of fields 2 and 3. Field by field, lines loaded anew, few
  /// registers are in use at a time.
  template <int field, class Line, class... Quads>
  [[gnu::always_inline]] static void add_fields(Avx2Codes (*sums)[halves], const Line& line, Quads... quads) {
    for (int p = 0; p < count; ++p) {
      for (uint32_t h = 0; h < halves; ++h) sums[p][h].template add_field<field>(line(p, h), quads...);
    }
  }

  /// Adds a group, the one number `in_set` of its set.
  [[gnu::always_inline]] void add_group(const GroupCodes& codes, uint32_t in_set) {
    Avx2Codes sums[count][halves];
#pragma GCC unroll 4
    for (uint32_t c = 0; c < chunks; ++c) {
      for (int p = 0; p < count; ++p) ask(codes.lines[p] + c * line_bytes);
      const auto line = [&](int p, uint32_t h) {
        return load_256(codes.lines[p] + c * line_bytes + h * sizeof(__m256i));
      };
      const auto quad = [&](uint32_t q) { return broadcast_load(codes.activations + 4 * (4 * c + q)); };
      add_fields<0>(sums, line, quad(0));
      add_fields<1>(sums, line, quad(1));
      add_fields<2>(sums, line, quad(2), quad(3));
    }
    for (int p = 0; p < count; ++p) {
      for (uint32_t h = 0; h < halves; ++h) {
        const __m256i scales = group_scales(pair_scales(at_[p] + scales_at(in_set, h)), in_set % 2);
        sums_[p].high[h] = add_scaled(sums_[p].high[h], sums[p][h].narrow_sum(), scales);
      }
    }
  }

  const MatrixView& m_;
  const uint32_t* indices_;
  const BlockView& block_;
  const uint8_t* at_[count];
  PanelSums<count, true, 0> sums_;
};

}  // namespace
}  // namespace accllm::emulator::fast
