#pragma once

#include "accllm/ports.hpp"

namespace accel {

/// RoPE of one head in place. `table` holds D/2 cosines from word `cos_word` on and D/2 sines behind them;
/// element i is paired with i + D/2. Most: the longest head, by which loops unroll where a caller pipelines
/// heads.
template <uint32_t Most = limit::head_dim>
void rope(float* v, uint32_t head_dim, const Beat* table, uint32_t cos_word) {
  const uint32_t half = head_dim / 2;
  for (uint32_t i = 0; i < Most / 2 && i < half; ++i) {
#pragma HLS PIPELINE II = 1
    const float c = load_float(table, cos_word + i);
    const float s = load_float(table, cos_word + half + i);
    const float lower = v[i];
    const float upper = v[i + half];
    const float lower_c = lower * c;
    const float upper_s = upper * s;
    const float upper_c = upper * c;
    const float lower_s = lower * s;
    v[i] = lower_c - upper_s;
    v[i + half] = upper_c + lower_s;
  }
}

/// Largest power of two that divides the head size: the size of a Hadamard block.
inline uint32_t hadamard_size(uint32_t head_dim) { return head_dim & (~head_dim + 1); }

/// Hadamard rotation of one head in place, block by block, not normalized.
template <uint32_t Most = limit::head_dim>
void hadamard(float* v, uint32_t head_dim) {
  const uint32_t size = hadamard_size(head_dim);
  for (uint32_t length = 1; length < Most && length < size; length *= 2) {
    for (uint32_t pair = 0; pair < Most / 2 && pair < head_dim / 2; ++pair) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = v inter false
      const uint32_t low = (pair / length) * 2 * length + pair % length;
      const float a = v[low];
      const float b = v[low + length];
      v[low] = a + b;
      v[low + length] = a - b;
    }
  }
}

}  // namespace accel
