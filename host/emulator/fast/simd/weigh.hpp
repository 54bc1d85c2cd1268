#pragma once

#include "probabilities.hpp"

/// \file
/// Weighted values (docs/numerics.md, "attend", steps 5 to 8).

namespace accllm::emulator::fast {
namespace {

/// One head's weighted sum of values. A block's sum counts 2^(24 - D), D being how far its exponent is below
/// the largest. It is kept as 2^(7 - D % 8) in 32 bits, apart for each D / 8.
class ValueSums {
 public:
  /// `sums` holds sum_classes * 2 * padded_half(head_dim).
  void start(const Weights& weights, uint32_t head_dim, uint32_t* sums) {
    weights_ = weights;
    elements_ = 2 * padded_half(head_dim);
    sums_ = sums;
    used_ = 0;
  }

  /// Adds the row's blocks that are unpacked: numbers `blocks` of its own, at places 0 and on of the unpacked
  /// ones.
  template <class S>
  void add(const ValueCodes<S>& codes, const uint32_t* blocks, const uint32_t* places, uint32_t count,
           const int16_t* exponents, const uint8_t (*weights)[block_slots]) {
    ValueStep steps[value_blocks];
    uint32_t found = 0;
    uint32_t row = 0;
    for (uint32_t n = 0; n < count; ++n) {
      const int32_t exponent = exponents[blocks[n]];
      const int32_t below = weights_.code_exponent - exponent;
      if (exponent == no_exponent || below > sum_fraction_bits) continue;
      if (found > 0 && static_cast<uint32_t>(below) / 8 != row) {
        codes.add(steps, found, sums_of(row));
        found = 0;
      }
      row = static_cast<uint32_t>(below) / 8;
      steps[found++] = {places[n], 7 - static_cast<uint32_t>(below) % 8, weights[blocks[n]]};
    }
    if (found > 0) codes.add(steps, found, sums_of(row));
  }

  /// The head's output before any rotation.
  void finish(uint32_t head_dim, float* output) const {
    int64_t totals[most_head_dim + 16];
    std::memset(totals, 0, elements_ * sizeof(int64_t));
    for (uint32_t row = 0; row < sum_classes; ++row) {
      if ((used_ >> row & 1) == 0) continue;
      const uint32_t* sums = sums_ + row * elements_;
      // 2^17, 2^9, 2 and, of sums that were all shifted by 7, 2^-7.
      const uint32_t left = row < 3 ? 17 - 8 * row : 0;
      const uint32_t right = row < 3 ? 0 : 7;
      for (uint32_t i = 0; i < elements_; ++i)
        totals[i] += static_cast<int64_t>(uint64_t{sums[i] >> right} << left);
    }
    const float inverse = 1.0f / static_cast<float>(weights_.total);
    const float offset = static_cast<float>(weights_.minimum_sum) *
                         power_of_two(weights_.minimum_exponent - sum_fraction_bits);
    const float scale = power_of_two(weights_.code_exponent - 7 - sum_fraction_bits);
    // 8,192 slots of 255 * 15, shifted by 24: below 2^49.
    float values[most_head_dim + 16];
    for (uint32_t i = 0; i < elements_; ++i)
      values[i] = (nearest_float(totals[i]) * scale + offset) * inverse;
    const float* odd = values + elements_ / 2;
    for (uint32_t i = 0; i < head_dim / 2; ++i) {
      output[2 * i] = values[i];
      output[2 * i + 1] = odd[i];
    }
  }

 private:
  uint32_t* sums_of(uint32_t row) {
    uint32_t* sums = sums_ + row * elements_;
    if ((used_ >> row & 1) == 0) std::memset(sums, 0, elements_ * sizeof(uint32_t));
    used_ |= 1u << row;
    return sums;
  }

  Weights weights_;
  uint32_t elements_;
  uint32_t* sums_;
  /// A bit a class that has sums.
  uint32_t used_;
};

static_assert((uint64_t{AttendScratch::blocks} * block_slots * 255 * 15 << 7) < uint64_t{1} << 32,
              "sums of a class fit 32 bits");

/// Which blocks are unpacked, and which of them each token attends to.
struct ValueRun {
  uint32_t size = 0;
  uint32_t counts[most_attend_tokens] = {};
  uint32_t blocks[most_attend_tokens][value_blocks];
  uint32_t places[most_attend_tokens][value_blocks];
};

/// Adds the unpacked blocks to the sums of all rows.
template <class S>
void add_run(const AttendView& a, const ValueCodes<S>& codes, const ValueRun& run, ValueSums* sums) {
  for (uint32_t t = 0; t < a.token_count; ++t) {
    for (uint32_t row = t * a.heads; row < (t + 1) * a.heads; ++row)
      sums[row].add<S>(codes, run.blocks[t], run.places[t], run.counts[t], a.scratch->exponents[row],
                       a.scratch->weights[row]);
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
