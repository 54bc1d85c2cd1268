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

  /// Where a block with this exponent is to be added, shifted by `shift`; null if it is too small.
  uint32_t* place(int32_t exponent, uint32_t& shift) {
    const int32_t below = weights_.code_exponent - exponent;
    if (exponent == no_exponent || below > sum_fraction_bits) return nullptr;
    const auto row = static_cast<uint32_t>(below) / 8;
    shift = 7 - static_cast<uint32_t>(below) % 8;
    uint32_t* place = sums_ + row * elements_;
    if ((used_ >> row & 1) == 0) std::memset(place, 0, elements_ * sizeof(uint32_t));
    used_ |= 1u << row;
    return place;
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
  Weights weights_;
  uint32_t elements_;
  uint32_t* sums_;
  /// A bit a class that has sums.
  uint32_t used_;
};

static_assert((uint64_t{AttendScratch::blocks} * block_slots * 255 * 15 << 7) < uint64_t{1} << 32,
              "sums of a class fit 32 bits");

/// Adds a block of values to the sums of a token's heads, which have rows `first_row` and following; `block`
/// is the token's count of it.
template <class S>
void add_block(const AttendView& a, const ValueCodes<S>& codes, uint32_t first_row, uint32_t block,
               ValueSums* sums) {
  const uint8_t* u[2];
  uint32_t shifts[2];
  uint32_t* places[2];
  uint32_t found = 0;
  for (uint32_t row = first_row; row < first_row + a.heads; ++row) {
    places[found] = sums[row].place(a.scratch->exponents[row][block], shifts[found]);
    if (places[found] == nullptr) continue;
    u[found] = a.scratch->weights[block][row];
    if (++found < 2) continue;
    codes.template add<2>(u, shifts, places);
    found = 0;
  }
  if (found == 0) return;
  const uint8_t* last_u[1] = {u[0]};
  const uint32_t last_shift[1] = {shifts[0]};
  uint32_t* last_place[1] = {places[0]};
  codes.template add<1>(last_u, last_shift, last_place);
}

}  // namespace
}  // namespace accllm::emulator::fast
