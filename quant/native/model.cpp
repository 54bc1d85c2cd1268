#include "model.hpp"

#include <algorithm>
#include <cmath>

namespace accllm::quant {

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
  if (table != nullptr) embedding.value.assign(table, table + size);
  finalNorm_.assign(finalNorm, finalNorm + shape_.hidden);
  originalHead_.assign(output, output + size);
  finalGain.value = finalNorm_;
  head.value = originalHead_;
}

void Model::setSequences(const int32_t* ids, int count, int length, const float* states) {
  sequences_ = count;
  length_ = length;
  ids_.assign(ids, ids + static_cast<size_t>(count) * length);
  floatStream_.assign(states, states + ids_.size() * shape_.hidden);
  quantizedStream_ = floatStream_;
  within_ = throughFloat_ = none;
}

void Model::prepare(int index) {
  within_ = none;
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
