#include "linear.hpp"

#include <algorithm>
#include <cmath>

#include "hot.hpp"

namespace accllm::quant {

namespace {

/** Nearest integer, ties to even, of |x| below 2^22. */
inline float nearest(float x) {
  constexpr float magic = 12582912.0f;
  return (x + magic) - magic;
}

inline float clampedCode(float position, float maxCode) {
  return std::min(std::max(nearest(position), 0.0f), maxCode);
}

ACCLLM_HOT void dequantizeGroup(const float* position, int count, float scale, float zero, float maxCode,
                                float* out) {
  for (int i = 0; i < count; i++) out[i] = scale * (clampedCode(position[i], maxCode) - zero);
}

/** @return the gradient of the scale's logarithm. */
ACCLLM_HOT float stepGroup(const AdamStep& adam, float rate, const float* gradient, const float* weight,
                           int count, float scale, float maxCode, float* position, float* first,
                           float* second) {
  float byScale = 0;
  for (int i = 0; i < count; i++) byScale += gradient[i] * weight[i];
  for (int i = 0; i < count; i++) {
    const float moved = position[i] + rate * adam.move(gradient[i] * scale, first[i], second[i]);
    position[i] = std::min(std::max(moved, -0.5f), maxCode + 0.5f);
  }
  return byScale;
}

}  // namespace

void QuantLinear::resize(int rowCount, int columnCount, Format kind) {
  rows = rowCount;
  columns = columnCount;
  format = kind;
  groups = (columns + groupSize - 1) / groupSize;
  const size_t all = static_cast<size_t>(rows) * columns;
  position.assign(all, 0);
  weight.assign(all, 0);
  scale.assign(static_cast<size_t>(rows) * groups, 0);
  zero.assign(static_cast<size_t>(rows) * groups, 0);
  keep.assign(format.sparse ? all : 0, 0);
  gradient.clear();
}

int QuantLinear::code(int64_t i) const {
  return static_cast<int>(clampedCode(position[i], static_cast<float>(format.maxCode)));
}

void QuantLinear::dequantize(Pool& pool) {
  const float maxCode = static_cast<float>(format.maxCode);
  pool.run(rows, 16, [&](int64_t begin, int64_t end) {
    for (int64_t g = begin * groups; g < end * groups; g++) {
      const int64_t first = g % groups * groupSize;
      const int count = static_cast<int>(std::min<int64_t>(groupSize, columns - first));
      const int64_t at = g / groups * columns + first;
      dequantizeGroup(&position[at], count, scale[g], zero[g], maxCode, &weight[at]);
    }
    if (format.sparse)
      for (int64_t i = begin * columns; i < end * columns; i++)
        if (!keep[i]) weight[i] = 0;
  });
}

void QuantLinear::step(Pool& pool, const AdamStep& adam, float positionRate, float scaleRate) {
  if (frozen) return;
  const float maxCode = static_cast<float>(format.maxCode);
  pool.run(rows, 16, [&](int64_t begin, int64_t end) {
    if (format.sparse)
      for (int64_t i = begin * columns; i < end * columns; i++)
        if (!keep[i]) gradient[i] = 0;
    for (int64_t g = begin * groups; g < end * groups; g++) {
      const int64_t first = g % groups * groupSize;
      const int count = static_cast<int>(std::min<int64_t>(groupSize, columns - first));
      const int64_t at = g / groups * columns + first;
      const float byScale =
          stepGroup(adam, positionRate, &gradient[at], &weight[at], count, scale[g], maxCode, &position[at],
                    &positionMoments.first[at], &positionMoments.second[at]);
      scale[g] *= std::exp(scaleRate * adam.move(byScale, scaleMoments.first[g], scaleMoments.second[g]));
    }
  });
  dequantize(pool);
}

}  // namespace accllm::quant
