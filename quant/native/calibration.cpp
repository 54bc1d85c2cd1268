// How a layer is quantized on its calibration sequences: each stage on what the quantized ones before it put
// out.

#include "gemm.hpp"
#include "model.hpp"
#include "stages.hpp"

namespace accllm::quant {

namespace {

void subtract(const float* from, int64_t count, const float* what, std::vector<float>& out) {
  out.resize(count);
  for (int64_t i = 0; i < count; i++) out[i] = from[i] - what[i];
}

}  // namespace

const std::vector<float>& stageInput(Block& block, const LayerWeights& weights, const float* x, Batch batch,
                                     int stage, Activations& acts, Kept kept) {
  if (kept == Kept::nothing) {
    block.attentionInput(weights, x, batch, acts);
    if (stage == 0) return acts.attentionInput;
    block.projections(weights, batch, acts);
    block.attend(weights, batch, acts);
  }
  if (stage == 1) return acts.attended;
  if (kept != Kept::middle) block.middle(weights, x, batch, acts);
  block.feedForwardInput(weights, batch, acts);
  if (stage == 2) return acts.feedForwardInput;
  block.gating(weights, batch, acts);
  return acts.gated;
}

void Model::center(int index) {
  Layer& layer = layers_.at(index);
  work_ = LayerWork(shape_);
  progress_.begin(work_.all(static_cast<int64_t>(ids_.size())));
  const LayerWeights weights = layer.originalWeights();
  const int width = shape_.rows(Matrix::key);
  std::vector<double> sums(width);
  visitStream([&](int64_t at, Batch batch) {
    Activations& acts = activations_[0];
    block_.attentionInput(weights, &floatStream_[at], batch, acts);
    block_.keys(weights, batch, acts);
    block_.addKeys(batch, acts, sums.data());
  });
  layer.keyMean.resize(width);
  for (int i = 0; i < width; i++)
    layer.keyMean[i] = static_cast<float>(sums[i] / static_cast<double>(ids_.size()));
  layer.inputGain.value = layer.inputNorm;
  layer.postGain.value = layer.postNorm;
}

void Model::keep(std::vector<float>& within, int64_t token, const std::vector<float>& rows) {
  std::copy(rows.begin(), rows.end(), &within[token * withinWidth()]);
}

void Model::fetch(const std::vector<float>& within, int64_t token, Batch batch, Activations& acts) const {
  if (kept_ == Kept::nothing) return;
  const int64_t width = kept_ == Kept::middle ? shape_.hidden : shape_.columns(Matrix::output);
  const auto from = within.begin() + token * withinWidth();
  (kept_ == Kept::middle ? acts.middle : acts.attended).assign(from, from + batch.tokens() * width);
}

void Model::collect(int index, int stage, StageSums& sums) {
  const Layer& layer = layers_.at(index);
  const LayerWeights original = layer.originalWeights();
  const LayerWeights quantized = layer.quantizedWeights();
  const int64_t hidden = shape_.hidden;
  const int64_t width = shape_.columns(stages[stage][0]);
  const bool writesStream = stage == 1 || stage == 3;
  sums.hessian.reset(static_cast<int>(width));
  sums.inputs.assign(width * width, 0);
  sums.stream.assign(writesStream ? hidden * width : 0, 0);
  Activations& acts = activations_[0];
  Activations plain;
  std::vector<float> lacking;
  visitStream([&](int64_t at, Batch batch) {
    const int64_t tokens = batch.tokens();
    const float* wanted = &floatStream_[at];
    const float* given = &quantizedStream_[at];
    fetch(quantizedWithin_, at / hidden, batch, acts);
    fetch(floatWithin_, at / hidden, batch, plain);
    const std::vector<float>& x = stageInput(block_, quantized, given, batch, stage, acts, kept_);
    const std::vector<float>& target = stageInput(block_, original, wanted, batch, stage, plain, kept_);
    sums.hessian.add(pool_, x.data(), tokens);
    const View right = rowMajor(x.data(), width);
    subtract(target.data(), tokens * width, x.data(), lacking);
    multiply(pool_, width, width, tokens, transposed(lacking.data(), width), right, sums.inputs.data(), width,
             true);
    if (writesStream) {
      subtract(stage == 1 ? wanted : plain.middle.data(), tokens * hidden,
               stage == 1 ? given : acts.middle.data(), lacking);
      multiply(pool_, hidden, width, tokens, transposed(lacking.data(), hidden), right, sums.stream.data(),
               width, true);
    }
    if (stage == 1 || stage == 2) {
      keep(quantizedWithin_, at / hidden, stage == 1 ? acts.attended : acts.middle);
      keep(floatWithin_, at / hidden, stage == 1 ? plain.attended : plain.middle);
    } else if (stage == 3) {
      if (kept_ != Kept::middle) keep(quantizedWithin_, at / hidden, acts.middle);
      block_.result(original, batch, plain, &floatWithin_[at / hidden * withinWidth()]);
    }
    progress_.add(work_.collecting(stage, batch.tokens()));
  });
  if (stage == 1) kept_ = Kept::attended;
  if (stage >= 2) kept_ = Kept::middle;
  if (stage == 3) throughFloat_ = index;
}

void Model::quantizeLayer(int index, const GptqOptions& options) {
  Layer& layer = layers_.at(index);
  kept_ = Kept::nothing;
  within_ = index;
  floatWithin_.resize(ids_.size() * withinWidth());
  quantizedWithin_.resize(floatWithin_.size());
  StageSums sums;
  for (int stage = 0; stage < stageCount; stage++) {
    const auto loose = [&](int m) { return !layer.linear[m].frozen; };
    if (std::none_of(stages[stage].begin(), stages[stage].end(), loose)) continue;
    collect(index, stage, sums);
    for (int m : stages[stage]) {
      if (layer.linear[m].frozen) continue;
      QuantLinear& out = layer.linear[m];
      std::vector<float> residual = sums.stream;
      const bool add = !residual.empty();
      residual.resize(layer.original[m].size());
      multiply(pool_, out.rows, out.columns, out.columns, rowMajor(layer.original[m].data(), out.columns),
               rowMajor(sums.inputs.data(), out.columns), residual.data(), out.columns, add);
      const std::vector<uint8_t> mask = out.format.sparse ? out.keep : std::vector<uint8_t>();
      const bool given = std::find(mask.begin(), mask.end(), 1) != mask.end();
      gptq(pool_, layer.original[m], residual, sums.hessian, options, given ? mask.data() : nullptr, out);
      progress_.add(work_.quantizing(m));
    }
  }
}

void Model::target(int index) {
  if (throughFloat_ == index) {
    visitStream([&](int64_t at, Batch batch) {
      std::copy_n(&floatWithin_[at / shape_.hidden * withinWidth()], batch.tokens() * shape_.hidden,
                  &floatStream_[at]);
    });
  } else {
    const LayerWeights weights = layers_.at(index).originalWeights();
    visitStream([&](int64_t at, Batch batch) {
      block_.forward(weights, &floatStream_[at], batch, activations_[0], &floatStream_[at]);
    });
  }
  throughFloat_ = none;
}

void Model::advance(int index) {
  Layer& layer = layers_.at(index);
  const LayerWeights weights = layer.quantizedWeights();
  // Nothing of a layer that was trained since it was quantized is as it was.
  const Kept kept = within_ == index ? kept_ : Kept::nothing;
  visitStream([&](int64_t at, Batch batch) {
    Activations& acts = activations_[0];
    if (kept != Kept::nothing) fetch(quantizedWithin_, at / shape_.hidden, batch, acts);
    stageInput(block_, weights, &quantizedStream_[at], batch, stageCount - 1, acts, kept);
    block_.result(weights, batch, acts, &quantizedStream_[at]);
    progress_.add(work_.advancing(batch.tokens()));
  });
  within_ = none;
  for (std::vector<float>& original : layer.original) std::vector<float>().swap(original);
  for (QuantLinear& matrix : layer.linear) {
    std::vector<float>().swap(matrix.gradient);
    matrix.positionMoments = Moments();
    matrix.scaleMoments = Moments();
  }
}

}  // namespace accllm::quant
