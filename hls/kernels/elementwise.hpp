#pragma once

#include "accllm/activations.hpp"
#include "accllm/ports.hpp"
#include "exp24.hpp"
#include "quantize.hpp"

namespace accel {

/// x = the token's row of the float16 embedding table.
inline void embed(const Beat* row, uint32_t hidden, float* x) {
  for (uint32_t i = 0; i < hidden; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS UNROLL factor = timing_parameter::float_lanes
    x[i] = from_half(get_bits(row[i / 32], (i % 32) * 16, 16));
  }
}

/// A row's result plus its bias, where there is one; bias: the table's beats, null for none.
inline float biased(float value, const Beat* bias, uint32_t row) {
#pragma HLS INLINE
  return bias == nullptr ? value : value + load_float(bias, row);
}

/// silu(g) * u of one element (docs/numerics.md, "siluMul").
inline float silu_mul_element(float g, float u) {
#pragma HLS INLINE
  const float e = static_cast<float>(exp24(g >= 0.0f ? -g : g)) * power_of_two(-24);
  const float d = 1.0f + e;
  const float sigma = (g >= 0.0f ? 1.0f : e) / d;
  const float gated = g * sigma;
  return gated * u;
}

/// a = quantize(silu(g) * u) of one token; g is overwritten.
template <class L>
void silu_mul(ActivationsOf<L>& act, uint32_t token, uint32_t length) {
  float* g = act.g[token];
  const float* u = act.u[token];
  AbsMax largest;
  for (uint32_t i = 0; i < length; ++i) {
#pragma HLS PIPELINE II = 1
    g[i] = silu_mul_element(g[i], u[i]);
    largest.take(g[i]);
  }
  act.a_scale[token] = quantize_activations(g, largest, length, act.a[token], act.non_finite);
}

/// x = x + y of one token.
template <class L>
void add(ActivationsOf<L>& act, uint32_t token, uint32_t length) {
  for (uint32_t i = 0; i < length; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS UNROLL factor = timing_parameter::float_lanes
    act.x[token][i] = act.x[token][i] + act.y[token][i];
  }
}

}  // namespace accel
