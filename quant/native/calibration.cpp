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

/** Sums over the tokens that a stage's matrices are quantized by; x are its inputs in the quantized stream.
 */
struct StageSums {
  Hessian hessian;
  /** [width][width]: the sum of d^T x, d what x lacks of the float stream's inputs. */
  std::vector<float> inputs;
  /** [hidden][width]: the sum of d^T x, d what the quantized residual stream lacks of the float one. */
  std::vector<float> stream;
};

}  // namespace

const std::vector<float>& stageInput(Block& block, const LayerWeights& weights, const float* x, Batch batch,
                                     int stage, Activations& acts) {
  block.attentionInput(weights, x, batch, acts);
  if (stage == 0) return acts.attentionInput;
  block.projections(weights, batch, acts);
  block.attend(weights, batch, acts);
  if (stage == 1) return acts.attended;
  block.middle(weights, x, batch, acts);
  if (stage == 2) return acts.feedForwardInput;
  block.gating(weights, batch, acts);
  return acts.gated;
}

void Model::center(int index) {
  Layer& layer = layers_.at(index);
  const LayerWeights weights = layer.originalWeights();
  const int width = shape_.rows(Matrix::key);
  std::vector<double> sums(width);
  visitStream([&](int64_t at, Batch batch) {
    Activations& acts = activations_[0];
    block_.attentionInput(weights, &floatStream_[at], batch, acts);
    block_.projections(weights, batch, acts);
    block_.addKeys(batch, acts, sums.data());
  });
  layer.keyMean.resize(width);
  for (int i = 0; i < width; i++)
    layer.keyMean[i] = static_cast<float>(sums[i] / static_cast<double>(ids_.size()));
  layer.inputGain.value = layer.inputNorm;
  layer.postGain.value = layer.postNorm;
}

void Model::quantizeLayer(int index, const GptqOptions& options) {
  Layer& layer = layers_.at(index);
  Activations plain;
  StageSums sums;
  std::vector<float> lacking;
  const auto collect = [&](int stage) {
    const int64_t width = shape_.columns(stages[stage][0]);
    const bool writesStream = stage == 1 || stage == 3;
    sums.hessian.reset(static_cast<int>(width));
    sums.inputs.assign(width * width, 0);
    sums.stream.assign(writesStream ? shape_.hidden * width : 0, 0);
    const LayerWeights original = layer.originalWeights();
    const LayerWeights quantized = layer.quantizedWeights();
    visitStream([&](int64_t at, Batch batch) {
      const float* wanted = &floatStream_[at];
      const float* given = &quantizedStream_[at];
      Activations& acts = activations_[0];
      const std::vector<float>& x = stageInput(block_, quantized, given, batch, stage, acts);
      const std::vector<float>& target = stageInput(block_, original, wanted, batch, stage, plain);
      const int64_t tokens = batch.tokens();
      sums.hessian.add(pool_, x.data(), tokens);
      const View right = rowMajor(x.data(), width);
      subtract(target.data(), tokens * width, x.data(), lacking);
      multiply(pool_, width, width, tokens, transposed(lacking.data(), width), right, sums.inputs.data(),
               width, true);
      if (!writesStream) return;
      const int64_t hidden = shape_.hidden;
      subtract(stage == 1 ? wanted : plain.middle.data(), tokens * hidden,
               stage == 1 ? given : acts.middle.data(), lacking);
      multiply(pool_, hidden, width, tokens, transposed(lacking.data(), hidden), right, sums.stream.data(),
               width, true);
    });
  };
  for (int stage = 0; stage < stageCount; stage++) {
    const auto loose = [&](int m) { return !layer.linear[m].frozen; };
    if (std::none_of(stages[stage].begin(), stages[stage].end(), loose)) continue;
    collect(stage);
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
    }
  }
}

void Model::target(int index) {
  const LayerWeights weights = layers_.at(index).originalWeights();
  visitStream([&](int64_t at, Batch batch) {
    block_.forward(weights, &floatStream_[at], batch, activations_[0], &floatStream_[at]);
  });
}

}  // namespace accllm::quant
