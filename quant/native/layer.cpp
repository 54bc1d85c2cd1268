#include <algorithm>
#include <cmath>

#include "model.hpp"

namespace accllm::quant {

void Parameter::prepare() {
  gradient.assign(value.size(), 0);
  moments.reset(value.size());
}

void Parameter::step(Pool& pool, const AdamStep& adam, float rate) {
  if (rate == 0) return;
  pool.run(static_cast<int64_t>(value.size()), 4096, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; i++)
      value[i] += rate * adam.move(gradient[i], moments.first[i], moments.second[i]);
  });
}

std::array<const float*, matrices> Layer::biases() const {
  std::array<const float*, matrices> all{};
  for (int m = 0; m < matrices; m++) all[m] = bias[m].empty() ? nullptr : bias[m].data();
  return all;
}

LayerWeights Layer::originalWeights() const {
  LayerWeights weights{{}, biases(), inputNorm.data(), postNorm.data(), keyMean.data(), false};
  for (int m = 0; m < matrices; m++) weights.matrix[m] = original[m].data();
  return weights;
}

LayerWeights Layer::quantizedWeights() const {
  LayerWeights weights{{}, biases(), inputGain.value.data(), postGain.value.data(), keyMean.data(), true};
  for (int m = 0; m < matrices; m++) weights.matrix[m] = linear[m].weight.data();
  return weights;
}

void Layer::prepare(Pool&) {
  for (QuantLinear& matrix : linear) {
    if (matrix.frozen) continue;
    matrix.gradient.assign(matrix.weight.size(), 0);
    matrix.positionMoments.reset(matrix.position.size());
    matrix.scaleMoments.reset(matrix.scale.size());
  }
  inputGain.prepare();
  postGain.prepare();
}

LayerGradients Layer::clearedGradients() {
  LayerGradients gradients{{}, inputGain.gradient.data(), postGain.gradient.data()};
  for (int m = 0; m < matrices; m++) {
    std::vector<float>& gradient = linear[m].gradient;
    std::fill(gradient.begin(), gradient.end(), 0.0f);
    gradients.matrix[m] = linear[m].frozen ? nullptr : gradient.data();
  }
  std::fill(inputGain.gradient.begin(), inputGain.gradient.end(), 0.0f);
  std::fill(postGain.gradient.begin(), postGain.gradient.end(), 0.0f);
  return gradients;
}

void Layer::step(Pool& pool, const AdamStep& adam, const Rates& rates) {
  for (QuantLinear& matrix : linear) {
    // Finer grids have smaller steps: the rate is one of weights, in steps of two bits.
    const float finer = static_cast<float>(matrix.format.maxCode + 1) / 4;
    matrix.step(pool, adam, rates.position * finer, rates.scale);
  }
  inputGain.step(pool, adam, rates.gain);
  postGain.step(pool, adam, rates.gain);
}

}  // namespace accllm::quant
