#pragma once

#include "query.hpp"

/// \file
/// Probabilities times values (docs/numerics.md, "attend", steps 4 to 7) for one query head.

namespace accllm::emulator::fast {
namespace {

constexpr int32_t no_exponent = -1000;
constexpr int32_t sum_fraction_bits = 24;

/// What the first pass over the probabilities finds.
struct Weights {
  int64_t total = 0;
  int32_t code_exponent = no_exponent;
  int32_t minimum_exponent = no_exponent;
};

template <class S>
typename S::F32 value_scales(const AttendView& a, const SpanBlock& block, uint32_t lane) {
  return from_half<S>(load_as<typename S::I32>(a.values + block.index * a.block_bytes + 4 * lane) & 0xffff);
}

template <class S>
typename S::F32 value_minima(const AttendView& a, const SpanBlock& block, uint32_t lane) {
  return from_half<S>((load_as<typename S::I32>(a.values + block.index * a.block_bytes + 4 * lane) >> 16) &
                      0xffff);
}

template <class S>
int64_t sum_of(const typename S::Sum& sum) {
  int64_t lanes[S::lanes];
  sum.store(lanes);
  int64_t total = 0;
  for (int i = 0; i < S::lanes; ++i) total += lanes[i];
  return total;
}

/// Scores to probabilities in 24 fraction bits, kept as float32 (which holds them exactly), and the exponents
/// that the fixed-point sums are aligned to. `exponents` gets one a block.
template <class S>
Weights probabilities(const AttendView& a, float largest, float* scores, int32_t* exponents) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  Weights weights;
  typename S::Sum total;
  I32 minimum_bits = {};
  const I32 one = S::fill(1);
  for (uint32_t b = 0; b < a.block_count; ++b) {
    const SpanBlock& block = a.blocks[b];
    float* at = scores + b * block_slots;
    I32 weighted_bits = {};
    for (uint32_t lane = 0; lane < block_slots; lane += S::lanes) {
      const I32 attended = load_as<I32>(block.attended + lane);
      const I32 p = exp24<S>(load_as<F32>(at + lane) - largest) & attended;
      total.add_product(p, one);
      const F32 probability = S::to_float(p);
      store_as(at + lane, probability);
      const I32 weighted = I32(probability * value_scales<S>(a, block, lane)) & attended;
      weighted_bits = weighted > weighted_bits ? weighted : weighted_bits;
      const I32 minimum = I32(probability * value_minima<S>(a, block, lane)) & attended & magnitude_mask;
      minimum_bits = minimum > minimum_bits ? minimum : minimum_bits;
    }
    const int32_t most = largest_lane<S>(weighted_bits);
    exponents[b] = most > 0 ? exponent_of(float_of_bits(most)) : no_exponent;
    if (exponents[b] > weights.code_exponent) weights.code_exponent = exponents[b];
  }
  const int32_t most = largest_lane<S>(minimum_bits);
  weights.total = sum_of<S>(total);
  weights.minimum_exponent = most > 0 ? exponent_of(float_of_bits(most)) : 0;
  if (weights.code_exponent == no_exponent) weights.code_exponent = 0;
  return weights;
}

/// sum of rne(probability * minimum * 2^(24 - F)).
template <class S>
int64_t minimum_sum(const AttendView& a, const float* probabilities, int32_t exponent) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  const float scale = power_of_two(sum_fraction_bits - exponent);
  typename S::Sum sum;
  for (uint32_t b = 0; b < a.block_count; ++b) {
    const SpanBlock& block = a.blocks[b];
    for (uint32_t lane = 0; lane < block_slots; lane += S::lanes) {
      const F32 minimum =
          load_as<F32>(probabilities + b * block_slots + lane) * value_minima<S>(a, block, lane);
      const I32 attended = load_as<I32>(block.attended + lane);
      sum.add_product(S::round(F32(I32(minimum) & attended) * scale), S::fill(1));
    }
  }
  return sum_of<S>(sum);
}

/// u of a block's slots: min(255, rne(w * 2^(7 - E_b))), 0 where nothing is attended.
template <class S>
void block_weights(const AttendView& a, const SpanBlock& block, const float* probabilities, int32_t exponent,
                   uint16_t* u) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  const float scale = power_of_two(7 - exponent);
  for (uint32_t lane = 0; lane < block_slots; lane += S::lanes) {
    const F32 weighted = load_as<F32>(probabilities + lane) * value_scales<S>(a, block, lane);
    const I32 rounded = S::round(F32(I32(weighted) & load_as<I32>(block.attended + lane)) * scale);
    for (int i = 0; i < S::lanes; ++i)
      u[lane + i] = static_cast<uint16_t>(rounded[i] > 255 ? 255 : rounded[i]);
  }
}

/// Adds sum_j u_j * c_(j,i) << shift of a block to sums[i]: the even elements in the first half of `sums`,
/// the odd ones in the second.
template <class S>
void add_values(const uint8_t* codes, uint32_t slot_bytes, const uint16_t* u, int32_t shift, int64_t* sums) {
  // 16 slots * 255 * 15 fits 16 bits.
  constexpr uint32_t width = 2 * S::lanes;
  using U16 = typename S::U16;
  using Bytes = typename S::U16Bytes;
  for (uint32_t first = 0; first < slot_bytes; first += width) {
    const uint32_t count = slot_bytes - first < width ? slot_bytes - first : width;
    U16 even = {};
    U16 odd = {};
    for (uint32_t s = 0; s < block_slots; ++s) {
      Bytes bytes = {};
      if (count == width) {
        bytes = load_as<Bytes>(codes + s * slot_bytes + first);
      } else {
        std::memcpy(&bytes, codes + s * slot_bytes + first, count);
      }
      const U16 pairs = convert<U16>(bytes);
      even += (pairs & 15) * u[s];
      odd += (pairs >> 4) * u[s];
    }
    uint16_t evens[width];
    uint16_t odds[width];
    store_as(evens, even);
    store_as(odds, odd);
    int64_t* out = sums + first;
    for (uint32_t i = 0; i < count; ++i) {
      out[i] += static_cast<int64_t>(evens[i]) << shift;
      out[i + slot_bytes] += static_cast<int64_t>(odds[i]) << shift;
    }
  }
}

/// One head's output from its scores, before any rotation.
template <class S>
void weigh_values(const AttendView& a, float largest, float* scores, float* output) {
  int32_t exponents[accel::limit::slots / block_slots];
  const Weights weights = probabilities<S>(a, largest, scores, exponents);
  const int64_t offset_sum = minimum_sum<S>(a, scores, weights.minimum_exponent);
  const uint32_t slot_bytes = a.head_dim / 2;
  int64_t sums[most_head_dim];
  std::memset(sums, 0, a.head_dim * sizeof(int64_t));
  for (uint32_t b = 0; b < a.block_count; ++b) {
    const int32_t shift = sum_fraction_bits - (weights.code_exponent - exponents[b]);
    if (exponents[b] == no_exponent || shift < 0) continue;
    uint16_t u[block_slots];
    block_weights<S>(a, a.blocks[b], scores + b * block_slots, exponents[b], u);
    add_values<S>(a.values + a.blocks[b].index * a.block_bytes + 4 * block_slots, slot_bytes, u, shift, sums);
  }
  const float inverse = 1.0f / static_cast<float>(weights.total);
  const float offset =
      static_cast<float>(offset_sum) * power_of_two(weights.minimum_exponent - sum_fraction_bits);
  const float scale = power_of_two(weights.code_exponent - 7 - sum_fraction_bits);
  // 8,192 slots of 255 * 15, shifted by 24: below 2^49.
  float values[most_head_dim];
  for (uint32_t i = 0; i < a.head_dim; ++i) values[i] = (nearest_float(sums[i]) * scale + offset) * inverse;
  for (uint32_t i = 0; i < slot_bytes; ++i) {
    output[2 * i] = values[i];
    output[2 * i + 1] = values[i + slot_bytes];
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
