#include <algorithm>
#include <cmath>

#include "block.hpp"

namespace accllm::quant {

namespace {

void turn(float* head, const float* rotation, int half, bool back) {
  for (int i = 0; i < half; i++) {
    const float cosine = rotation[2 * i];
    const float sine = back ? -rotation[2 * i + 1] : rotation[2 * i + 1];
    const float a = head[i];
    const float b = head[half + i];
    head[i] = a * cosine - b * sine;
    head[half + i] = a * sine + b * cosine;
  }
}

/** Orthonormal Hadamard transform of blocks of `block` elements, its own inverse. */
void hadamard(float* x, int dim, int block) {
  for (int length = 1; length < block; length *= 2)
    for (int i = 0; i < dim; i++) {
      if (i & length) continue;
      const float a = x[i];
      const float b = x[i + length];
      x[i] = a + b;
      x[i + length] = a - b;
    }
  const float factor = 1 / std::sqrt(static_cast<float>(block));
  for (int i = 0; i < dim; i++) x[i] *= factor;
}

/** To the nearest of sixteen levels from the smallest to the largest element. */
void quantizeFour(float* x, int dim) {
  const auto [low, high] = std::minmax_element(x, x + dim);
  const float least = *low;
  const float scale = (*high - least) / 15;
  if (!(scale > 0)) return std::fill(x, x + dim, least);
  const float inverse = 1 / scale;
  for (int i = 0; i < dim; i++) {
    const float code = std::min(std::max(std::nearbyint((x[i] - least) * inverse), 0.0f), 15.0f);
    x[i] = least + code * scale;
  }
}

}  // namespace

void Block::fillRotations(int length) {
  const size_t half = shape_.frequencies.size();
  for (size_t position = rotations_.size() / (2 * half); position < static_cast<size_t>(length); position++) {
    for (double frequency : shape_.frequencies) {
      rotations_.push_back(static_cast<float>(std::cos(static_cast<double>(position) * frequency)));
      rotations_.push_back(static_cast<float>(std::sin(static_cast<double>(position) * frequency)));
    }
  }
}

void Block::rotate(float* heads, int headCount, Batch batch, bool back) {
  fillRotations(batch.length);
  const int dim = shape_.headDim;
  pool_.run(batch.tokens(), 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++)
      for (int h = 0; h < headCount; h++)
        turn(heads + (t * headCount + h) * dim, &rotations_[t % batch.length * dim], dim / 2, back);
  });
}

void Block::place(const LayerWeights& w, Batch batch, Activations& acts) {
  rotate(acts.query.data(), shape_.heads, batch, false);
  if (!w.quantized) return rotate(acts.key.data(), shape_.kvHeads, batch, false);
  fillRotations(batch.length);
  const int dim = shape_.headDim;
  const int block = shape_.hadamard ? dim & -dim : 1;
  pool_.run(batch.tokens() * shape_.kvHeads, 64, [&](int64_t begin, int64_t end) {
    std::vector<float> shift(dim);
    for (int64_t i = begin; i < end; i++) {
      const float* mean = w.keyMean + i % shape_.kvHeads * dim;
      const float* rotation = &rotations_[i / shape_.kvHeads % batch.length * dim];
      float* key = &acts.key[i * dim];
      std::copy(mean, mean + dim, shift.begin());
      turn(shift.data(), rotation, dim / 2, false);
      turn(key, rotation, dim / 2, false);
      for (int d = 0; d < dim; d++) key[d] -= shift[d];
      hadamard(key, dim, block);
      quantizeFour(key, dim);
      hadamard(key, dim, block);
      for (int d = 0; d < dim; d++) key[d] += shift[d];
      float* value = &acts.value[i * dim];
      hadamard(value, dim, block);
      quantizeFour(value, dim);
      hadamard(value, dim, block);
    }
  });
}

void Block::addKeys(Batch batch, const Activations& acts, double* sums) {
  const int64_t width = shape_.rows(Matrix::key);
  for (int64_t t = 0; t < batch.tokens(); t++)
    for (int64_t i = 0; i < width; i++) sums[i] += acts.key[t * width + i];
}

}  // namespace accllm::quant
