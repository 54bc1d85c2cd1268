#include "grid.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hot.hpp"

namespace accllm::quant {

namespace {

constexpr float magic = 12582912.0f;

struct Fit {
  float error;
  /** Numerator and denominator of the step of least squares for these codes. */
  float numerator;
  float denominator;
};

ACCLLM_HOT void fit(const float* v, const float* h, int count, float scale, float zero, float maxCode,
                    Fit* out) {
  constexpr int lanes = 16;
  float errors[lanes] = {};
  float numerators[lanes] = {};
  float denominators[lanes] = {};
  const float inverse = 1 / scale;
  // Callers fill up to whole lanes with weights of no importance.
  for (int i = 0; i < count; i += lanes)
    for (int l = 0; l < lanes; l++) {
      float code = (v[i + l] * inverse + zero + magic) - magic;
      code = std::min(std::max(code, 0.0f), maxCode);
      const float u = code - zero;
      const float d = v[i + l] - scale * u;
      errors[l] += h[i + l] * d * d;
      numerators[l] += h[i + l] * v[i + l] * u;
      denominators[l] += h[i + l] * u * u;
    }
  *out = {0, 0, 0};
  for (int l = 0; l < lanes; l++) {
    out->error += errors[l];
    out->numerator += numerators[l];
    out->denominator += denominators[l];
  }
}

/** Shares of the covering step that are tried: fewer levels gain more by clipping. */
struct Sweep {
  float least;
  int count;
};

Sweep sweepOf(const Format& format) {
  if (format.maxCode <= 3) return {0.3f, 24};
  if (format.maxCode <= 15) return {0.6f, 12};
  return {0.96f, 3};
}

}  // namespace

GroupGrid searchGrid(const float* values, const float* importance, int count, const Format& format) {
  alignas(64) float v[groupSize] = {};
  alignas(64) float h[groupSize] = {};
  std::copy(values, values + count, v);
  std::copy(importance, importance + count, h);
  const float least = std::min(0.0f, *std::min_element(v, v + count));
  const float most = std::max(0.0f, *std::max_element(v, v + count));
  if (most == least) return {0, 0};
  const float maxCode = static_cast<float>(format.maxCode);
  const int step = format.zeroStep;
  const int last = std::min(format.maxZeroHalf, 2 * format.maxCode) / step * step;
  const int reach = format.maxCode <= 3 ? last : 3 * step;
  const int centre =
      static_cast<int>(std::lround(-2 * maxCode * least / (most - least) / static_cast<float>(step))) * step;
  const auto [leastShare, shares] = sweepOf(format);

  GroupGrid best{0, 0};
  float bestError = std::numeric_limits<float>::infinity();
  Fit found;
  for (int half = std::max(0, centre - reach); half <= std::min(last, centre + reach); half += step) {
    const float zero = static_cast<float>(half) / 2;
    const float above = zero < maxCode ? most / (maxCode - zero) : 0;
    const float below = zero > 0 ? -least / zero : 0;
    const float cover = std::max(above, below);
    if (!(cover > 0)) continue;
    float scale = 0;
    float error = std::numeric_limits<float>::infinity();
    for (int i = 0; i < shares; i++) {
      const float candidate = cover * (leastShare + (1 - leastShare) * static_cast<float>(i + 1) / shares);
      fit(v, h, count, candidate, zero, maxCode, &found);
      if (found.error < error) {
        error = found.error;
        scale = candidate;
      }
    }
    for (int i = 0; i < 4; i++) {
      fit(v, h, count, scale, zero, maxCode, &found);
      if (!(found.numerator > 0 && found.denominator > 0)) break;
      const float refined = found.numerator / found.denominator;
      fit(v, h, count, refined, zero, maxCode, &found);
      if (!(found.error < error)) break;
      error = found.error;
      scale = refined;
    }
    if (error < bestError) {
      bestError = error;
      best = {scale, zero};
    }
  }
  return best;
}

}  // namespace accllm::quant
