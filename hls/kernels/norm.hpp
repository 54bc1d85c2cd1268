#pragma once

#include <cmath>

#include "accllm/activations.hpp"
#include "accllm/ports.hpp"
#include "quantize.hpp"

namespace accel {

/// Partial sums of squares; sixteen, because the order of the additions is part of the contract.
struct SquareSums {
  static constexpr uint32_t lanes = 16;
  float partial[lanes];

  void clear() {
    for (uint32_t l = 0; l < lanes; ++l) {
#pragma HLS UNROLL
      partial[l] = 0.0f;
    }
  }
};

/// Adds the square of element i. Elements of a lane come sixteen apart: with four a clock, an adder has four
/// clocks.
inline void add_square(SquareSums& sums, uint32_t i, float x) {
#pragma HLS INLINE
  const float square = x * x;
  sums.partial[i % SquareSums::lanes] = sums.partial[i % SquareSums::lanes] + square;
}

inline SquareSums sum_squares(const float* x, uint32_t length) {
  SquareSums sums;
#pragma HLS ARRAY_PARTITION variable = sums.partial complete
  sums.clear();
  for (uint32_t i = 0; i < length; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS UNROLL factor = 4
    add_square(sums, i, x[i]);
  }
  return sums;
}

/// RMSNorm of one token from its sums of squares, then int8 (docs/numerics.md, "norm").
inline void normalize(const float* x, const SquareSums& squares, const Beat* gain, uint32_t length,
                      float epsilon, float* scratch, int8_t* codes, float& scale, bool& non_finite) {
  float partial[SquareSums::lanes];
#pragma HLS ARRAY_PARTITION variable = partial complete
  for (uint32_t l = 0; l < SquareSums::lanes; ++l) {
#pragma HLS UNROLL
    partial[l] = squares.partial[l];
  }
  for (uint32_t width = SquareSums::lanes / 2; width > 0; width /= 2) {
    for (uint32_t l = 0; l < width; ++l) partial[l] = partial[l] + partial[l + width];
  }
  const float mean = partial[0] / static_cast<float>(length);
  const float inverse = 1.0f / std::sqrt(mean + epsilon);
  AbsMax largest;
  for (uint32_t i = 0; i < length; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS UNROLL factor = timing_parameter::float_lanes
    const float normed = x[i] * inverse;
    scratch[i] = normed * load_float(gain, i);
    largest.take(scratch[i]);
  }
  scale = quantize_activations(scratch, largest, length, codes, non_finite);
}

/// RMSNorm of one token, then int8.
inline void norm(const float* x, const Beat* gain, uint32_t length, float epsilon, float* scratch,
                 int8_t* codes, float& scale, bool& non_finite) {
  normalize(x, sum_squares(x, length), gain, length, epsilon, scratch, codes, scale, non_finite);
}

}  // namespace accel
