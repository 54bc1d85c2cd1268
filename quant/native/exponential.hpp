#pragma once
#include <algorithm>
#include <cstdint>
#include <cstring>

namespace accllm::quant {

/**
 * e^x to about 2e-7 relative, for loops that compilers turn into vectors: 2^n times a polynomial in the rest,
 * |rest| at most 1/2 (Taylor's of degree 7 about 0). Below -87 it stays at e^-87, above 87 at e^87.
 */
inline float exponential(float x) {
  constexpr float magic = 12582912.0f;
  const float t = std::min(std::max(x, -87.0f), 87.0f) * 1.44269504f;
  const float n = (t + magic) - magic;
  const float r = (t - n) * 0.69314718f;
  const float p =
      1 + r * (1 + r * (0.5f + r * (1 / 6.0f + r * (1 / 24.0f + r * (1 / 120.0f + r * (1 / 720.0f))))));
  const int32_t bits = (static_cast<int32_t>(n) + 127) << 23;
  float power;
  std::memcpy(&power, &bits, sizeof power);
  return p * power;
}

}  // namespace accllm::quant
