#pragma once

#include "accllm/beat.hpp"
#include "accllm/number.hpp"

/// \file
/// Symmetric quantization of a vector by its largest magnitude (docs/numerics.md, "absmax").

namespace accel {

constexpr uint32_t zero_threshold_bits = 0x21800000u;  // 2^-60

/// Running maximum of magnitudes, taken on bits.
class AbsMax {
 public:
  void take(float x) {
    const uint32_t magnitude = magnitude_bits(x);
    if (magnitude > largest_) largest_ = magnitude;
  }
  bool finite() const { return largest_ < infinity_bits; }
  bool zero() const { return largest_ < zero_threshold_bits || !finite(); }
  float value() const { return float_of(largest_); }

 private:
  uint32_t largest_ = 0;
};

/// Scale and its inverse for codes of -steps .. steps; both 0 where the vector counts as zero.
struct Quantizer {
  float scale = 0.0f;
  float inverse = 0.0f;
  float steps;

  Quantizer(const AbsMax& m, float steps_in) : steps(steps_in) {
    if (m.zero()) return;
    scale = m.value() / steps;
    inverse = steps / m.value();
  }

  int32_t code(float x) const {
    if (inverse == 0.0f) return 0;
    return round_even(clamp(x * inverse, -steps, steps));
  }
};

/// Quantizes `length` values, whose largest is known, to int8 codes and pads the codes with zeros to whole
/// groups. \return the scale; sets `non_finite` where a value is infinite or NaN.
inline float quantize_activations(const float* values, const AbsMax& largest, uint32_t length, int8_t* codes,
                                  bool& non_finite) {
  if (!largest.finite()) non_finite = true;
  const Quantizer quantizer(largest, 127.0f);
  const uint32_t padded = ceil_div(length, group_size) * group_size;
  for (uint32_t i = 0; i < padded; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS UNROLL factor = timing_parameter::float_lanes
    codes[i] = i < length ? static_cast<int8_t>(quantizer.code(values[i])) : int8_t{0};
  }
  return quantizer.scale;
}

}  // namespace accel
