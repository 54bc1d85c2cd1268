#pragma once

#include "values.hpp"

/// \file
/// Scores to probabilities and the weights of values (docs/numerics.md, "attend", steps 4 to 6) for one query
/// head.

namespace accllm::emulator::fast {
namespace {

constexpr int16_t no_exponent = -1000;
constexpr int32_t sum_fraction_bits = 24;
/// Blocks whose terms below 2^25, four a lane where lanes are fewest, add up in 32 bits.
constexpr uint32_t run_blocks = 8;

/// What becomes of a head's probabilities beside the weights of its blocks.
struct Weights {
  int64_t total = 0;
  int64_t minimum_sum = 0;
  int32_t code_exponent = no_exponent;
  int32_t minimum_exponent = 0;
};

/// Rounded weights of a block, at most 255, to bytes. A level may have its own.
template <class S>
struct WeightBytes {
  static void store(const typename S::I32 (&rounded)[SlotValues<S>::parts], uint8_t* u) {
    for (uint32_t p = 0; p < SlotValues<S>::parts; ++p)
      store_as(u + p * S::lanes, convert<typename S::Bytes>(rounded[p] > 255 ? S::fill(255) : rounded[p]));
  }
};

template <class S>
int64_t sum_of_lanes(typename S::I32 x) {
  int64_t sum = 0;
  for (int i = 0; i < S::lanes; ++i) sum += x[i];
  return sum;
}

/// sum of rne(t * 2^(24 - F)), t being the row's values.
template <class S>
int64_t minimum_sum(const float* values, uint32_t blocks, int32_t exponent) {
  const float scale = power_of_two(sum_fraction_bits - exponent);
  int64_t sum = 0;
  for (uint32_t first = 0; first < blocks; first += run_blocks) {
    const uint32_t last = first + run_blocks < blocks ? first + run_blocks : blocks;
    typename S::I32 lanes = {};
    for (uint32_t i = first * block_slots; i < last * block_slots; i += S::lanes)
      lanes += S::round(load_as<typename S::F32>(values + i) * scale);
    sum += sum_of_lanes<S>(lanes);
  }
  return sum;
}

/// The largest attended score of a row, -infinity if there is none; a NaN never is.
template <class S>
float largest_score(const SpanBlock* blocks, uint32_t count, const float* scores) {
  using F32 = typename S::F32;
  constexpr uint32_t parts = SlotValues<S>::parts;
  F32 largest[parts];
  for (uint32_t p = 0; p < parts; ++p) largest[p] = S::fill(-float_of_bits(infinity_bits));
  for (uint32_t b = 0; b < count; ++b) {
    for (uint32_t p = 0; p < parts; ++p) {
      F32 score = load_as<F32>(scores + b * block_slots + p * S::lanes);
      if (!blocks[b].full)
        score = load_as<typename S::I32>(blocks[b].attended + p * S::lanes) != 0 ? score : largest[p];
      largest[p] = S::larger(score, largest[p]);
    }
  }
  for (uint32_t p = 1; p < parts; ++p) largest[0] = S::larger(largest[p], largest[0]);
  float most = largest[0][0];
  for (int i = 1; i < S::lanes; ++i) most = largest[0][i] > most ? largest[0][i] : most;
  return most;
}

/// Scores of a row to probabilities in 24 fraction bits, kept as float32, which holds them exactly.
/// \return their sum.
template <class S>
int64_t exponentials(const SpanBlock* blocks, uint32_t count, float largest, float* values) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  constexpr uint32_t parts = SlotValues<S>::parts;
  int64_t sum = 0;
  for (uint32_t first = 0; first < count; first += run_blocks) {
    const uint32_t run = count - first < run_blocks ? count - first : run_blocks;
    float* at = values + first * block_slots;
    I32 total = {};
    const auto load = [&](uint32_t v) { return load_as<F32>(at + v * S::lanes) - largest; };
    exp24<S>(run * parts, load, [&](uint32_t v, I32 fixed) {
      fixed &= load_as<I32>(blocks[first + v / parts].attended + v % parts * S::lanes);
      total += fixed;
      store_as(at + v * S::lanes, S::to_float(fixed));
    });
    sum += sum_of_lanes<S>(total);
  }
  return sum;
}

/// A block's probabilities to its weights u, and in their place to probabilities times minima, whose largest
/// magnitudes go into `minimum_bits`. \return the exponent that the weights are aligned to.
template <class S>
int32_t block_weights(const SpanBlock& block, const AttendScratch& scratch, float* values, uint8_t* u,
                      typename S::I32& minimum_bits) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  using U32 = typename S::U32;
  constexpr uint32_t parts = SlotValues<S>::parts;
  const float* scales = scratch.value_scales + block.index * block_slots;
  const float* minima = scratch.value_minima + block.index * block_slots;
  F32 weighted[parts];
  I32 weighted_bits = {};
  for (uint32_t p = 0; p < parts; ++p) {
    const uint32_t lane = p * S::lanes;
    const I32 attended = load_as<I32>(block.attended + lane);
    const F32 probability = load_as<F32>(values + lane);
    const I32 bits = I32(probability * load_as<F32>(scales + lane)) & attended;
    weighted[p] = F32(bits);
    weighted_bits = bits > weighted_bits ? bits : weighted_bits;
    const I32 minimum = I32(probability * load_as<F32>(minima + lane)) & attended;
    const I32 magnitude = minimum & magnitude_mask;
    minimum_bits = magnitude > minimum_bits ? magnitude : minimum_bits;
    store_as(values + lane, minimum);
  }
  const I32 most = largest_everywhere<S>(weighted_bits);
  // 2^(7 - E), E being the exponent of the largest; where that is 0, so are all weights.
  const U32 scale = U32{} + (uint32_t{7 + 2 * 127} << 23) - (U32(most) & uint32_t{infinity_bits});
  I32 rounded[parts];
  for (uint32_t p = 0; p < parts; ++p) rounded[p] = S::round(weighted[p] * F32(scale));
  WeightBytes<S>::store(rounded, u);
  const int32_t bits = most[0];
  return bits > 0 ? (bits >> 23) - 127 : no_exponent;
}

/// Takes the row's scores to what the sums need: weights u, a block's exponent in `exponents`, and in the
/// place of scores probabilities times minima.
template <class S>
Weights probabilities(const AttendScratch& scratch, const AttendToken& token, float* values,
                      uint8_t (*weights)[block_slots], int16_t* exponents) {
  Weights result;
  const float largest = largest_score<S>(token.blocks, token.block_count, values);
  typename S::I32 minimum_bits = {};
  result.total = exponentials<S>(token.blocks, token.block_count, largest, values);
  for (uint32_t b = 0; b < token.block_count; ++b) {
    const int32_t exponent =
        block_weights<S>(token.blocks[b], scratch, values + b * block_slots, weights[b], minimum_bits);
    exponents[b] = static_cast<int16_t>(exponent);
    if (exponent > result.code_exponent) result.code_exponent = exponent;
  }
  const int32_t most = largest_everywhere<S>(minimum_bits)[0];
  result.minimum_exponent = most > 0 ? exponent_of(float_of_bits(most)) : 0;
  result.minimum_sum = minimum_sum<S>(values, token.block_count, result.minimum_exponent);
  if (result.code_exponent == no_exponent) result.code_exponent = 0;
  return result;
}

}  // namespace
}  // namespace accllm::emulator::fast
