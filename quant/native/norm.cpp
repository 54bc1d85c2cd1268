#include <algorithm>
#include <cmath>

#include "block.hpp"
#include "hot.hpp"

namespace accllm::quant {

namespace {

constexpr int lanes = 16;

/** Sum of a * b in sixteen partial sums. */
inline float dot(const float* a, const float* b, int count) {
  float partial[lanes] = {};
  int i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] += a[i + l] * b[i + l];
  float sum = 0;
  for (; i < count; i++) sum += a[i] * b[i];
  for (int l = 0; l < lanes; l++) sum += partial[l];
  return sum;
}

ACCLLM_HOT void normalizeRow(const float* x, const float* gain, float epsilon, int width, float* scale,
                             float* y) {
  const float r = 1 / std::sqrt(dot(x, x, width) / static_cast<float>(width) + epsilon);
  *scale = r;
  for (int i = 0; i < width; i++) y[i] = x[i] * r * gain[i];
}

ACCLLM_HOT void normalizeRowBackward(const float* x, const float* gain, float r, const float* dy, int width,
                                     float* scratch, float* dx) {
  for (int i = 0; i < width; i++) scratch[i] = dy[i] * gain[i];
  const float projection = dot(scratch, x, width) * r * r / static_cast<float>(width);
  for (int i = 0; i < width; i++) dx[i] += r * (scratch[i] - x[i] * projection);
}

ACCLLM_HOT void gainRow(const float* x, float r, const float* dy, int width, float* dGain) {
  for (int i = 0; i < width; i++) dGain[i] += dy[i] * x[i] * r;
}

ACCLLM_HOT void quantizeRow(float* x, int64_t width) {
  float partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= width; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] = std::max(partial[l], std::fabs(x[i + l]));
  float largest = 0;
  for (; i < width; i++) largest = std::max(largest, std::fabs(x[i]));
  for (float value : partial) largest = std::max(largest, value);
  if (largest < 0x1p-60f) return std::fill(x, x + width, 0.0f);
  const float scale = largest / 127;
  const float inverse = 127 / largest;
  constexpr float magic = 12582912.0f;
  for (i = 0; i < width; i++) x[i] = ((x[i] * inverse + magic) - magic) * scale;
}

}  // namespace

void normalize(Pool& pool, const float* x, const float* gain, float epsilon, int64_t rows, int width,
               float* scales, float* y) {
  pool.run(rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++)
      normalizeRow(x + t * width, gain, epsilon, width, scales + t, y + t * width);
  });
}

void normalizeBackward(Pool& pool, const float* x, const float* gain, const float* scales, const float* dy,
                       int64_t rows, int width, float* dx, float* dGain) {
  pool.run(rows, 64, [&](int64_t begin, int64_t end) {
    thread_local std::vector<float> scratch;
    scratch.resize(width);
    for (int64_t t = begin; t < end; t++)
      normalizeRowBackward(x + t * width, gain, scales[t], dy + t * width, width, scratch.data(),
                           dx + t * width);
  });
  if (dGain == nullptr) return;
  // A column belongs to one part, so that its sum has one order.
  pool.run(width, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = 0; t < rows; t++)
      gainRow(x + t * width + begin, scales[t], dy + t * width + begin, static_cast<int>(end - begin),
              dGain + begin);
  });
}

void quantizeRows(Pool& pool, float* x, int64_t rows, int64_t width) {
  pool.run(rows, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) quantizeRow(x + t * width, width);
  });
}

}  // namespace accllm::quant
