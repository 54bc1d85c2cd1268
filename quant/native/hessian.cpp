#include <algorithm>

#include "gemm.hpp"
#include "gptq.hpp"

namespace accllm::quant {

void Hessian::reset(int width) {
  width_ = width;
  values_.assign(static_cast<size_t>(width) * width, 0);
}

void Hessian::add(Pool& pool, const float* x, int64_t rows) {
  addGram(pool, width_, rows, x, values_.data());
}

void Hessian::addDiagonal(float value) {
  for (int i = 0; i < width_; i++) values_[static_cast<size_t>(i) * width_ + i] += value;
}

std::vector<float> Hessian::diagonal() const {
  std::vector<float> values(width_);
  for (int i = 0; i < width_; i++) values[i] = values_[static_cast<size_t>(i) * width_ + i];
  return values;
}

std::vector<float> Hessian::damped(float damping, const std::vector<int>& order) const {
  const int64_t n = width_;
  double mean = 0;
  for (float value : diagonal()) mean += value / static_cast<double>(n);
  if (!(mean > 0)) mean = 1;
  std::vector<float> out(n * n);
  for (int64_t i = 0; i < n; i++) {
    for (int64_t j = 0; j < n; j++)
      out[i * n + j] = values_[std::min(order[i], order[j]) * n + std::max(order[i], order[j])];
    out[i * n + i] += static_cast<float>(damping * mean);
  }
  return out;
}

}  // namespace accllm::quant
