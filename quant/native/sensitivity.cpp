// What every matrix loses by itself: the float model with one matrix quantized, against the float model. All
// those models go through the layers side by side, so one float layer after the other is enough.

#include "divergence.hpp"
#include "gemm.hpp"
#include "model.hpp"
#include "stages.hpp"

namespace accllm::quant {

namespace {

/** Tokens whose logits are in memory at a time. */
constexpr int64_t logitTokens = 256;

/** Of inputs that all matter alike and hang together in nothing: GPTQ then rounds to nearest. */
void resetToIdentity(Hessian& hessian, int width) {
  hessian.reset(width);
  hessian.addDiagonal(1);
}

}  // namespace

void Model::probe(int index, int matrix, bool calibrated, const GptqOptions& options) {
  Layer& layer = layers_.at(index);
  const LayerWeights original = layer.originalWeights();
  const int stage = stageOf(matrix);
  const std::pair<int, int> place{index, stage};
  if (probedPlace_ != place) {
    const int width = shape_.columns(matrix);
    if (calibrated) {
      probed_.reset(width);
      visitStream([&](int64_t at, Batch batch) {
        const std::vector<float>& x =
            stageInput(block_, original, &floatStream_[at], batch, stage, activations_[0]);
        probed_.add(pool_, x.data(), batch.tokens());
      });
    } else {
      resetToIdentity(probed_, width);
    }
    probedPlace_ = place;
  }
  QuantLinear& out = layer.linear.at(matrix);
  const bool given = std::find(out.keep.begin(), out.keep.end(), 1) != out.keep.end();
  const std::vector<uint8_t> mask = given ? out.keep : std::vector<uint8_t>();
  gptq(pool_, layer.original[matrix], {}, probed_, options, given ? mask.data() : nullptr, out);
  LayerWeights changed = original;
  changed.matrix[matrix] = out.weight.data();
  std::vector<float>& states = variants_.emplace_back(floatStream_.size());
  visitStream([&](int64_t at, Batch batch) {
    block_.forward(changed, &floatStream_[at], batch, activations_[0], &states[at]);
  });
}

void Model::advanceProbes(int index) {
  const LayerWeights original = layers_.at(index).originalWeights();
  for (std::vector<float>& states : variants_)
    visitStream([&](int64_t at, Batch batch) {
      block_.forward(original, &states[at], batch, activations_[0], &states[at]);
    });
}

void Model::normalizeFinal(const float* states, int64_t tokens, std::vector<float>& out) {
  scales_.resize(tokens);
  out.resize(tokens * shape_.hidden);
  normalize(pool_, states, finalNorm_.data(), shape_.epsilon, tokens, shape_.hidden, scales_.data(),
            out.data());
}

double Model::probeLoss(const std::vector<float>& states, const std::vector<float>& output) {
  const int64_t all = static_cast<int64_t>(ids_.size());
  const int64_t hidden = shape_.hidden;
  double sum = 0;
  for (int64_t first = 0; first < all; first += logitTokens) {
    const int64_t tokens = std::min(logitTokens, all - first);
    const auto predict = [&](const std::vector<float>& from, const std::vector<float>& with,
                             std::vector<float>& logits) {
      normalizeFinal(&from[first * hidden], tokens, normalized_);
      logits.resize(tokens * vocabulary_);
      multiply(pool_, tokens, vocabulary_, hidden, rowMajor(normalized_.data(), hidden),
               transposed(with.data(), hidden), logits.data(), vocabulary_, false);
    };
    predict(floatStream_, originalHead_, teacherLogits_);
    predict(states, output, logits_);
    sum += divergence(tokens, logits_.data(), teacherLogits_.data(), false);
  }
  return sum / static_cast<double>(all);
}

double Model::probeLoss(int variant) { return probeLoss(variants_.at(variant), originalHead_); }

double Model::probeHead(const Format& format, bool calibrated, const GptqOptions& options) {
  Hessian hessian;
  if (calibrated) {
    hessian.reset(shape_.hidden);
    std::vector<float> inputs;
    const int64_t all = static_cast<int64_t>(ids_.size());
    normalizeFinal(floatStream_.data(), all, inputs);
    hessian.add(pool_, inputs.data(), all);
  } else {
    resetToIdentity(hessian, shape_.hidden);
  }
  QuantLinear out;
  out.resize(vocabulary_, shape_.hidden, format);
  gptq(pool_, originalHead_, {}, hessian, options, nullptr, out);
  return probeLoss(floatStream_, out.weight);
}

}  // namespace accllm::quant
