#include <cstdio>
#include <stdexcept>
#include <string>

#include "model.hpp"

namespace accllm::quant {

namespace {

/** Closes a file whatever happens. */
class File {
 public:
  File(const char* path, const char* mode) : path_(path), file_(std::fopen(path, mode)) {
    check(file_ != nullptr);
  }
  ~File() {
    if (file_ != nullptr) std::fclose(file_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(const void* data, size_t bytes) { check(std::fwrite(data, 1, bytes, file_) == bytes); }
  void read(void* data, size_t bytes) { check(std::fread(data, 1, bytes, file_) == bytes); }
  void close() {
    std::FILE* file = file_;
    file_ = nullptr;
    check(std::fclose(file) == 0);
  }

 private:
  void check(bool good) const {
    if (!good) throw std::runtime_error("cannot write or read " + path_);
  }

  std::string path_;
  std::FILE* file_;
};

/** Calls `visit` with every vector that a layer's quantization consists of. */
template <typename Visit>
void visitLayer(Layer& layer, const Visit& visit) {
  for (QuantLinear& matrix : layer.linear) {
    visit(matrix.position);
    visit(matrix.scale);
    visit(matrix.zero);
    visit(matrix.keep);
  }
  visit(layer.inputGain.value);
  visit(layer.postGain.value);
  visit(layer.keyMean);
}

template <typename Visit>
void visitMoments(Moments& moments, const Visit& visit) {
  visit(moments.first);
  visit(moments.second);
}

}  // namespace

/** The whole model in the middle of training: parameters, Adam's moments, what was best so far. */
template <typename Visit>
void Model::visitTraining(const Visit& visit) {
  for (Layer& layer : layers_) {
    visitLayer(layer, visit);
    for (QuantLinear& matrix : layer.linear) {
      visitMoments(matrix.positionMoments, visit);
      visitMoments(matrix.scaleMoments, visit);
    }
    visitMoments(layer.inputGain.moments, visit);
    visitMoments(layer.postGain.moments, visit);
  }
  for (Parameter* parameter : {&embedding, &finalGain, &head}) {
    visit(parameter->value);
    visitMoments(parameter->moments, visit);
  }
  for (std::vector<float>& values : snapshot_.values) visit(values);
}

void Model::store(int index, const char* path) {
  File file(path, "wb");
  const auto visit = [&](auto& values) {
    const uint64_t bytes = values.size() * sizeof values[0];
    file.write(&bytes, sizeof bytes);
    file.write(values.data(), bytes);
  };
  if (index >= 0)
    visitLayer(layers_.at(index), visit);
  else
    visitTraining(visit);
  file.close();
}

void Model::load(int index, const char* path) {
  File file(path, "rb");
  const auto visit = [&](auto& values) {
    uint64_t bytes = 0;
    file.read(&bytes, sizeof bytes);
    if (bytes != values.size() * sizeof values[0])
      throw std::runtime_error(std::string(path) + " is of another model");
    file.read(values.data(), bytes);
  };
  if (index >= 0)
    visitLayer(layers_.at(index), visit);
  else
    visitTraining(visit);
  for (int l = 0; l < static_cast<int>(layers_.size()); l++)
    if (index < 0 || l == index)
      for (QuantLinear& matrix : layers_[l].linear) matrix.dequantize(pool_);
}

}  // namespace accllm::quant
