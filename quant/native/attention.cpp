#include <algorithm>
#include <cmath>

#include "block.hpp"
#include "exponential.hpp"
#include "hot.hpp"

namespace accllm::quant {

namespace {

/** `lanes` sums at a time, in registers; four partial sums so that additions need not wait for each other. */
template <int lanes>
[[gnu::always_inline]] inline void combineLanes(const float* coefficients, int count, const float* rows,
                                                int64_t stride, float* out) {
  float sums[4][lanes] = {};
  int d = 0;
  for (; d + 4 <= count; d += 4)
    for (int k = 0; k < 4; k++)
      for (int l = 0; l < lanes; l++) sums[k][l] += coefficients[d + k] * rows[(d + k) * stride + l];
  for (; d < count; d++)
    for (int l = 0; l < lanes; l++) sums[0][l] += coefficients[d] * rows[d * stride + l];
  for (int l = 0; l < lanes; l++) out[l] = (sums[0][l] + sums[1][l]) + (sums[2][l] + sums[3][l]);
}

/** out[i] = sum of coefficients[d] * rows[d][i]: scores and weighted sums, without a reduction across lanes.
 */
ACCLLM_HOT void combine(const float* coefficients, int count, const float* rows, int64_t stride,
                        int64_t width, float* out) {
  int64_t i = 0;
  for (; i + 64 <= width; i += 64) combineLanes<64>(coefficients, count, rows + i, stride, out + i);
  for (; i + 16 <= width; i += 16) combineLanes<16>(coefficients, count, rows + i, stride, out + i);
  for (; i + 8 <= width; i += 8) combineLanes<8>(coefficients, count, rows + i, stride, out + i);
  for (; i < width; i++) combineLanes<1>(coefficients, count, rows + i, stride, out + i);
}

/** rows[d] += coefficients[d] * vector. */
ACCLLM_HOT void spread(const float* coefficients, int count, const float* vector, int64_t width, float* rows,
                       int64_t stride) {
  for (int d = 0; d < count; d++) {
    const float factor = coefficients[d];
    float* row = rows + d * stride;
    for (int64_t i = 0; i < width; i++) row[i] += factor * vector[i];
  }
}

ACCLLM_HOT void softmax(float* scores, int count, float scale) {
  float highest = scores[0];
  for (int i = 1; i < count; i++) highest = std::max(highest, scores[i]);
  for (int i = 0; i < count; i++) scores[i] = exponential((scores[i] - highest) * scale);
  float sum = 0;
  for (int i = 0; i < count; i++) sum += scores[i];
  const float inverse = 1 / sum;
  for (int i = 0; i < count; i++) scores[i] *= inverse;
}

/** [length][dim] with a stride of `stride` to [dim][length]. */
void transpose(const float* from, int64_t stride, int length, int dim, float* to) {
  for (int t = 0; t < length; t++)
    for (int d = 0; d < dim; d++) to[d * length + t] = from[t * stride + d];
}

}  // namespace

void Block::attend(const LayerWeights& w, Batch batch, Activations& acts) {
  place(w, batch, acts);
  const int n = batch.length;
  const int dims = shape_.headDim;
  const int64_t queryWidth = shape_.rows(Matrix::query);
  const int64_t keyWidth = shape_.rows(Matrix::key);
  const int perKv = shape_.heads / shape_.kvHeads;
  const float scale = 1 / std::sqrt(static_cast<float>(dims));
  acts.probabilities.resize(static_cast<size_t>(batch.sequences) * shape_.heads * n * n);
  acts.attended.resize(batch.tokens() * queryWidth);
  pool_.run(static_cast<int64_t>(batch.sequences) * shape_.kvHeads, 1, [&](int64_t item, int64_t) {
    thread_local std::vector<float> keys;
    keys.resize(static_cast<size_t>(dims) * n);
    const int64_t token = item / shape_.kvHeads * n;
    const int kv = static_cast<int>(item % shape_.kvHeads);
    transpose(&acts.key[token * keyWidth + kv * dims], keyWidth, n, dims, keys.data());
    for (int head = kv * perKv; head < (kv + 1) * perKv; head++) {
      float* p = &acts.probabilities[(item / shape_.kvHeads * shape_.heads + head) * n * n];
      for (int t = 0; t < n; t++, p += n) {
        const int64_t at = (token + t) * queryWidth + head * dims;
        combine(&acts.query[at], dims, keys.data(), n, t + 1, p);
        softmax(p, t + 1, scale);
        std::fill(p + t + 1, p + n, 0.0f);
        combine(p, t + 1, &acts.value[token * keyWidth + kv * dims], keyWidth, dims, &acts.attended[at]);
      }
    }
  });
  if (w.quantized) quantizeRows(pool_, acts.attended.data(), batch.tokens(), queryWidth);
}

void Block::attendBackward(Batch batch, const Activations& acts, const float* dOut, float* dQuery,
                           float* dKey, float* dValue) {
  const int n = batch.length;
  const int dims = shape_.headDim;
  const int64_t queryWidth = shape_.rows(Matrix::query);
  const int64_t keyWidth = shape_.rows(Matrix::key);
  const int perKv = shape_.heads / shape_.kvHeads;
  const float scale = 1 / std::sqrt(static_cast<float>(dims));
  pool_.run(static_cast<int64_t>(batch.sequences) * shape_.kvHeads, 1, [&](int64_t item, int64_t) {
    thread_local std::vector<float> values, dScores;
    values.resize(static_cast<size_t>(dims) * n);
    dScores.resize(n);
    const int64_t token = item / shape_.kvHeads * n;
    const int kv = static_cast<int>(item % shape_.kvHeads);
    const int64_t kvAt = token * keyWidth + kv * dims;
    transpose(&acts.value[kvAt], keyWidth, n, dims, values.data());
    for (int t = 0; t < n; t++) {
      std::fill_n(dKey + kvAt + t * keyWidth, dims, 0.0f);
      std::fill_n(dValue + kvAt + t * keyWidth, dims, 0.0f);
    }
    for (int head = kv * perKv; head < (kv + 1) * perKv; head++) {
      const float* p = &acts.probabilities[(item / shape_.kvHeads * shape_.heads + head) * n * n];
      for (int t = 0; t < n; t++, p += n) {
        const int64_t at = (token + t) * queryWidth + head * dims;
        combine(dOut + at, dims, values.data(), n, t + 1, dScores.data());
        float mean = 0;
        for (int j = 0; j <= t; j++) mean += p[j] * dScores[j];
        for (int j = 0; j <= t; j++) dScores[j] = p[j] * (dScores[j] - mean) * scale;
        combine(dScores.data(), t + 1, &acts.key[kvAt], keyWidth, dims, dQuery + at);
        spread(dScores.data(), t + 1, &acts.query[at], dims, dKey + kvAt, keyWidth);
        spread(p, t + 1, dOut + at, dims, dValue + kvAt, keyWidth);
      }
    }
  });
}

}  // namespace accllm::quant
