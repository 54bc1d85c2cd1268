#include "model.hpp"

#include <algorithm>
#include <cmath>

namespace accllm::quant {

namespace {

/** Tokens that go through a layer at a time, about: bounds the memory of activations. */
constexpr int batchTokens = 2048;

}  // namespace

Model::Model(Shape shape, int layers, int vocabulary, int threads)
    : shape_(std::move(shape)),
      vocabulary_(vocabulary),
      pool_(threads),
      block_(pool_, shape_),
      layers_(layers),
      activations_(1),
      inputs_(1) {}

void Model::setTables(const float* table, const float* finalNorm, const float* output) {
  const size_t size = static_cast<size_t>(vocabulary_) * shape_.hidden;
  embedding.value.assign(table, table + size);
  finalNorm_.assign(finalNorm, finalNorm + shape_.hidden);
  originalHead_.assign(output, output + size);
  finalGain.value = finalNorm_;
  head.value = originalHead_;
}

void Model::setSequences(const int32_t* ids, int count, int length) {
  sequences_ = count;
  length_ = length;
  ids_.assign(ids, ids + static_cast<size_t>(count) * length);
  const int64_t hidden = shape_.hidden;
  floatStream_.resize(ids_.size() * hidden);
  for (size_t t = 0; t < ids_.size(); t++)
    std::copy_n(&embedding.value[ids_[t] * hidden], hidden, &floatStream_[t * hidden]);
  quantizedStream_ = floatStream_;
}

/** Calls `visit` with the first token and the shape of every batch of sequences. */
template <typename Visit>
void Model::visitStream(int, const Visit& visit) {
  const int step = std::max(1, batchTokens / length_);
  for (int first = 0; first < sequences_; first += step)
    visit(static_cast<int64_t>(first) * length_ * shape_.hidden,
          Batch{std::min(step, sequences_ - first), length_});
}

void Model::target(int index) {
  Layer& layer = layers_.at(index);
  const LayerWeights weights = layer.originalWeights();
  const int width = shape_.rows(Matrix::key);
  std::vector<double> sums(width);
  visitStream(index, [&](int64_t at, Batch batch) {
    Activations& acts = activations_[0];
    float* x = &floatStream_[at];
    block_.attentionInput(weights, x, batch, acts);
    block_.projections(weights, batch, acts);
    block_.addKeys(batch, acts, sums.data());
    block_.attend(weights, batch, acts);
    block_.middle(weights, x, batch, acts);
    block_.gating(weights, batch, acts);
    block_.result(weights, batch, acts, x);
  });
  layer.keyMean.resize(width);
  for (int i = 0; i < width; i++)
    layer.keyMean[i] = static_cast<float>(sums[i] / static_cast<double>(ids_.size()));
  layer.inputGain.value = layer.inputNorm;
  layer.postGain.value = layer.postNorm;
}

void Model::quantizeLayer(int index, float damping) {
  Layer& layer = layers_.at(index);
  Hessian hessian;
  // One stage after the other: each is quantized on what the quantized stages before it put out.
  const auto collect = [&](int width, int stages) {
    hessian.reset(width);
    const LayerWeights weights = layer.quantizedWeights();
    visitStream(index, [&](int64_t at, Batch batch) {
      Activations& acts = activations_[0];
      const float* x = &quantizedStream_[at];
      block_.attentionInput(weights, x, batch, acts);
      if (stages == 0) return hessian.add(pool_, acts.attentionInput.data(), batch.tokens());
      block_.projections(weights, batch, acts);
      block_.attend(weights, batch, acts);
      if (stages == 1) return hessian.add(pool_, acts.attended.data(), batch.tokens());
      block_.middle(weights, x, batch, acts);
      if (stages == 2) return hessian.add(pool_, acts.feedForwardInput.data(), batch.tokens());
      block_.gating(weights, batch, acts);
      hessian.add(pool_, acts.gated.data(), batch.tokens());
    });
  };
  const std::vector<int> stages[] = {{Matrix::query, Matrix::key, Matrix::value},
                                     {Matrix::output},
                                     {Matrix::gate, Matrix::up},
                                     {Matrix::down}};
  for (int stage = 0; stage < 4; stage++) {
    const auto loose = [&](int m) { return !layer.linear[m].frozen; };
    if (std::none_of(stages[stage].begin(), stages[stage].end(), loose)) continue;
    collect(shape_.columns(stages[stage][0]), stage);
    for (int m : stages[stage]) {
      if (layer.linear[m].frozen) continue;
      std::vector<float> weights = layer.original[m];
      QuantLinear& out = layer.linear[m];
      const std::vector<uint8_t> mask = out.format.sparse ? out.keep : std::vector<uint8_t>();
      const bool given = std::find(mask.begin(), mask.end(), 1) != mask.end();
      gptq(pool_, weights, hessian, damping, given ? mask.data() : nullptr, out);
    }
  }
}

void Model::advance(int index) {
  const LayerWeights weights = layers_.at(index).quantizedWeights();
  visitStream(index, [&](int64_t at, Batch batch) {
    block_.forward(weights, &quantizedStream_[at], batch, activations_[0], &quantizedStream_[at]);
  });
  Layer& layer = layers_.at(index);
  for (std::vector<float>& original : layer.original) std::vector<float>().swap(original);
  for (QuantLinear& matrix : layer.linear) {
    std::vector<float>().swap(matrix.gradient);
    matrix.positionMoments = Moments();
    matrix.scaleMoments = Moments();
  }
}

void Model::prepare(int index) {
  for (int l = 0; l < static_cast<int>(layers_.size()); l++)
    if (index < 0 || l == index) layers_[l].prepare(pool_);
  if (index >= 0) return;
  embedding.prepare();
  finalGain.prepare();
  head.prepare();
}

std::vector<float*> Model::parametersOf(int index, std::vector<size_t>& sizes) {
  std::vector<float*> all;
  const auto take = [&](std::vector<float>& values) {
    all.push_back(values.data());
    sizes.push_back(values.size());
  };
  for (int l = 0; l < static_cast<int>(layers_.size()); l++) {
    if (index >= 0 && l != index) continue;
    for (QuantLinear& matrix : layers_[l].linear) {
      take(matrix.position);
      take(matrix.scale);
    }
    take(layers_[l].inputGain.value);
    take(layers_[l].postGain.value);
  }
  if (index >= 0) return all;
  take(embedding.value);
  take(finalGain.value);
  take(head.value);
  return all;
}

void Model::save(int index) {
  std::vector<size_t> sizes;
  const std::vector<float*> all = parametersOf(index, sizes);
  snapshot_.values.resize(all.size());
  for (size_t i = 0; i < all.size(); i++) snapshot_.values[i].assign(all[i], all[i] + sizes[i]);
}

void Model::restore(int index) {
  std::vector<size_t> sizes;
  const std::vector<float*> all = parametersOf(index, sizes);
  for (size_t i = 0; i < all.size(); i++)
    std::copy(snapshot_.values.at(i).begin(), snapshot_.values.at(i).end(), all[i]);
  for (int l = 0; l < static_cast<int>(layers_.size()); l++)
    if (index < 0 || l == index)
      for (QuantLinear& matrix : layers_[l].linear)
        if (!matrix.frozen) matrix.dequantize(pool_);
}

}  // namespace accllm::quant
