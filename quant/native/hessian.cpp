#include <algorithm>
#include <cmath>

#include "gemm.hpp"
#include "gptq.hpp"
#include "hot.hpp"

namespace accllm::quant {

namespace {

ACCLLM_HOT double dot(const double* a, const double* b, int64_t count) {
  constexpr int lanes = 8;
  double partial[lanes] = {};
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] += a[i + l] * b[i + l];
  double sum = 0;
  for (; i < count; i++) sum += a[i] * b[i];
  for (double value : partial) sum += value;
  return sum;
}

ACCLLM_HOT void subtract(double factor, const double* from, int64_t count, double* to) {
  for (int64_t i = 0; i < count; i++) to[i] -= factor * from[i];
}

}  // namespace

void Hessian::reset(int width) {
  width_ = width;
  values_.assign(static_cast<size_t>(width) * width, 0);
}

void Hessian::add(Pool& pool, const float* x, int64_t rows) {
  multiply(pool, width_, width_, rows, transposed(x, width_), rowMajor(x, width_), values_.data(), width_,
           true);
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
    for (int64_t j = 0; j < n; j++) out[i * n + j] = values_[order[i] * n + order[j]];
    out[i * n + i] += static_cast<float>(damping * mean);
  }
  return out;
}

std::vector<float> inverseFactor(Pool& pool, const std::vector<float>& hessian, int64_t n) {
  double mean = 0;
  for (int64_t i = 0; i < n; i++) mean += hessian[i * n + i] / static_cast<double>(n);
  // With rows and columns reversed, H = L L^T gives the inverse as U^T U with U the reverse of L's inverse.
  std::vector<double> l(n * n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) l[i * n + j] = hessian[(n - 1 - i) * n + n - 1 - j];
  for (int64_t j = 0; j < n; j++) {
    const double* pivotRow = &l[j * n];
    // Positive but for rounding, thanks to the damping.
    const double pivot = std::sqrt(std::max(l[j * n + j] - dot(pivotRow, pivotRow, j), 1e-12 * mean));
    l[j * n + j] = pivot;
    pool.run(n - j - 1, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = j + 1 + begin; i < j + 1 + end; i++)
        l[i * n + j] = (l[i * n + j] - dot(&l[i * n], pivotRow, j)) / pivot;
    });
  }
  std::vector<double> inverse(n * n);
  pool.run(n, 64, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < n; i++) {
      double* row = &inverse[i * n];
      const int64_t last = std::min(end, i + 1);
      if (i < end) row[i] = 1;
      for (int64_t k = begin; k < i; k++)
        subtract(l[i * n + k], &inverse[k * n + begin], std::min(last, k + 1) - begin, row + begin);
      for (int64_t j = begin; j < last; j++) row[j] /= l[i * n + i];
    }
  });
  std::vector<float> upper(n * n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = i; j < n; j++)
      upper[i * n + j] = static_cast<float>(inverse[(n - 1 - i) * n + n - 1 - j]);
  return upper;
}

}  // namespace accllm::quant
