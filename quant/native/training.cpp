#include <algorithm>
#include <cmath>

#include "gemm.hpp"
#include "divergence.hpp"
#include "model.hpp"

namespace accllm::quant {

void Model::gather(const std::vector<float>& stream, const int32_t* sequences, int count,
                   std::vector<float>& out) const {
  const int64_t size = static_cast<int64_t>(length_) * shape_.hidden;
  out.resize(count * size);
  for (int s = 0; s < count; s++) std::copy_n(&stream[sequences[s] * size], size, &out[s * size]);
}

/** Runs the quantized layer on some sequences; the gradient of the loss by its output is left in `gradient_`.
 */
double Model::layerPass(int index, const int32_t* sequences, int count) {
  const Batch batch{count, length_};
  gather(quantizedStream_, sequences, count, inputs_[0]);
  gather(floatStream_, sequences, count, target_);
  output_.resize(target_.size());
  block_.forward(layers_.at(index).quantizedWeights(), inputs_[0].data(), batch, activations_[0],
                 output_.data());
  double energy = 0;
  double error = 0;
  for (size_t i = 0; i < target_.size(); i++) {
    const double d = output_[i] - target_[i];
    energy += static_cast<double>(target_[i]) * target_[i];
    error += d * d;
  }
  const float factor = energy > 0 ? static_cast<float>(2 / energy) : 0;
  gradient_.resize(target_.size());
  for (size_t i = 0; i < target_.size(); i++) gradient_[i] = factor * (output_[i] - target_[i]);
  return energy > 0 ? error / energy : 0;
}

double Model::layerLoss(int index, const int32_t* sequences, int count) {
  double sum = 0;
  constexpr int step = 8;
  for (int i = 0; i < count; i += step) {
    const int some = std::min(step, count - i);
    sum += layerPass(index, sequences + i, some) * some;
  }
  return sum / count;
}

double Model::trainLayer(int index, const int32_t* sequences, int count, int step, const Rates& rates) {
  const double loss = layerPass(index, sequences, count);
  Layer& layer = layers_.at(index);
  block_.backward(layer.quantizedWeights(), inputs_[0].data(), {count, length_}, activations_[0],
                  gradient_.data(), layer.clearedGradients());
  layer.step(pool_, AdamStep(step), rates);
  return loss;
}

/**
 * Sum over tokens of KL(softmax(teacher) || softmax(student)); the student's logits become the gradient of
 * its mean.
 */
double Model::divergence(int64_t tokens, float* student, const float* teacher, bool train) {
  std::vector<double> losses(tokens);
  const int64_t width = vocabulary_;
  pool_.run(tokens, 16, [&](int64_t begin, int64_t end) {
    std::vector<float> p(width);
    for (int64_t t = begin; t < end; t++)
      losses[t] =
          tokenDivergence(student + t * width, teacher + t * width, width, train ? tokens : 0, p.data());
  });
  double sum = 0;
  for (double loss : losses) sum += loss;
  return sum;
}

double Model::modelPass(const int32_t* sequences, int count, bool train) {
  const Batch batch{count, length_};
  const int64_t tokens = batch.tokens();
  const int64_t hidden = shape_.hidden;
  const size_t depth = layers_.size();
  activations_.resize(depth);
  inputs_.resize(depth + 1);
  inputs_[0].resize(tokens * hidden);
  for (int64_t t = 0; t < tokens; t++) {
    const int64_t id = ids_[sequences[t / length_] * static_cast<int64_t>(length_) + t % length_];
    std::copy_n(&embedding.value[id * hidden], hidden, &inputs_[0][t * hidden]);
  }
  for (size_t l = 0; l < depth; l++) {
    inputs_[l + 1].resize(tokens * hidden);
    block_.forward(layers_[l].quantizedWeights(), inputs_[l].data(), batch, activations_[l],
                   inputs_[l + 1].data());
  }
  const std::vector<float>& last = inputs_[depth];
  scales_.resize(tokens);
  normalized_.resize(tokens * hidden);
  teacherLogits_.resize(tokens * vocabulary_);
  logits_.resize(tokens * vocabulary_);
  gather(floatStream_, sequences, count, target_);
  const int width = shape_.hidden;
  normalize(pool_, target_.data(), finalNorm_.data(), shape_.epsilon, tokens, width, scales_.data(),
            normalized_.data());
  multiply(pool_, tokens, vocabulary_, hidden, rowMajor(normalized_.data(), hidden),
           transposed(originalHead_.data(), hidden), teacherLogits_.data(), vocabulary_, false);
  normalize(pool_, last.data(), finalGain.value.data(), shape_.epsilon, tokens, width, scales_.data(),
            normalized_.data());
  quantizeRows(pool_, normalized_.data(), tokens, hidden);
  multiply(pool_, tokens, vocabulary_, hidden, rowMajor(normalized_.data(), hidden),
           transposed(head.value.data(), hidden), logits_.data(), vocabulary_, false);
  return divergence(tokens, logits_.data(), teacherLogits_.data(), train) / static_cast<double>(tokens);
}

double Model::modelLoss(const int32_t* sequences, int count) {
  double sum = 0;
  constexpr int step = 8;
  for (int i = 0; i < count; i += step) {
    const int some = std::min(step, count - i);
    sum += modelPass(sequences + i, some, false) * some;
  }
  return sum / count;
}

double Model::trainModel(const int32_t* sequences, int count, int step, const Rates& rates) {
  const double loss = modelPass(sequences, count, true);
  const Batch batch{count, length_};
  const int64_t tokens = batch.tokens();
  const int64_t hidden = shape_.hidden;
  for (Parameter* parameter : {&embedding, &finalGain, &head})
    std::fill(parameter->gradient.begin(), parameter->gradient.end(), 0.0f);
  // target_ is free by now: it takes the gradient by the normalized states.
  multiply(pool_, tokens, hidden, vocabulary_, rowMajor(logits_.data(), vocabulary_),
           rowMajor(head.value.data(), hidden), target_.data(), hidden, false);
  if (rates.head != 0)
    multiply(pool_, vocabulary_, hidden, tokens, transposed(logits_.data(), vocabulary_),
             rowMajor(normalized_.data(), hidden), head.gradient.data(), hidden, true);
  gradient_.assign(tokens * hidden, 0);
  normalizeBackward(pool_, inputs_[layers_.size()].data(), finalGain.value.data(), scales_.data(),
                    target_.data(), tokens, shape_.hidden, gradient_.data(), finalGain.gradient.data());
  const AdamStep adam(step);
  for (size_t l = layers_.size(); l-- > 0;) {
    Layer& layer = layers_[l];
    block_.backward(layer.quantizedWeights(), inputs_[l].data(), batch, activations_[l], gradient_.data(),
                    layer.clearedGradients());
    layer.step(pool_, adam, rates);
  }
  for (int64_t t = 0; t < tokens; t++) {
    const int64_t id = ids_[sequences[t / length_] * static_cast<int64_t>(length_) + t % length_];
    for (int64_t i = 0; i < hidden; i++) embedding.gradient[id * hidden + i] += gradient_[t * hidden + i];
  }
  finalGain.step(pool_, adam, rates.gain);
  head.step(pool_, adam, rates.head);
  embedding.step(pool_, adam, rates.embedding);
  return loss;
}

}  // namespace accllm::quant
