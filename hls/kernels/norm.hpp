#pragma once

#include <cmath>

#include "accllm/activations.hpp"
#include "accllm/ports.hpp"
#include "quantize.hpp"

namespace accel {

/// RMSNorm of one token, then int8 (docs/numerics.md, "norm"). Sixteen partial sums hide the adder's latency;
/// their order is part of the contract.
inline void norm(const float* x, const Beat* gain, uint32_t length, float epsilon, float* scratch,
                 int8_t* codes, float& scale, bool& non_finite) {
  constexpr uint32_t lanes = 16;
  float partial[lanes];
#pragma HLS ARRAY_PARTITION variable = partial complete
  for (uint32_t l = 0; l < lanes; ++l) {
#pragma HLS UNROLL
    partial[l] = 0.0f;
  }
  for (uint32_t i = 0; i < length; ++i) {
#pragma HLS PIPELINE II = 1
    const float square = x[i] * x[i];
    partial[i % lanes] = partial[i % lanes] + square;
  }
  for (uint32_t width = lanes / 2; width > 0; width /= 2) {
    for (uint32_t l = 0; l < width; ++l) partial[l] = partial[l] + partial[l + width];
  }
  const float mean = partial[0] / static_cast<float>(length);
  const float inverse = 1.0f / std::sqrt(mean + epsilon);
  for (uint32_t i = 0; i < length; ++i) {
#pragma HLS PIPELINE II = 1
    const float normed = x[i] * inverse;
    scratch[i] = normed * load_float(gain, i);
  }
  scale = quantize_activations(scratch, length, codes, non_finite);
}

}  // namespace accel
