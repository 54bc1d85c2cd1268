#include "work.hpp"

#include "stages.hpp"

namespace accllm::quant {

namespace {

/** Products of [rows][columns] and [columns][columns] that a matrix takes: see gptq.cpp and refine.cpp. */
constexpr double productsOfMatrix = 7.5;
/** Square matrices' worth of the factor of an inverse Hessian, in double. */
constexpr double productsOfFactor = 0.7;

}  // namespace

LayerWork::LayerWork(const Shape& shape) {
  const auto size = [&](int m) { return static_cast<double>(shape.rows(m)) * shape.columns(m); };
  double passed = 0;
  for (int stage = 0; stage < stageCount; stage++) {
    const double width = shape.columns(stages[stage][0]);
    const bool writesStream = stage == 1 || stage == 3;
    // Both streams pass the stage before; the Hessian is half a product, its neighbour a whole one.
    collecting_[stage] = 2 * passed + 1.5 * width * width + (writesStream ? width * shape.hidden : 0);
    passed = 0;
    for (int m : stages[stage]) {
      passed += size(m);
      quantizing_[m] = productsOfMatrix * size(m) * width + productsOfFactor * width * width * width;
    }
  }
  // The float stream goes to the end with the last stage.
  collecting_[stageCount - 1] += passed;
  advancing_ = passed + size(Matrix::gate) + size(Matrix::up);
}

double LayerWork::all(int64_t tokens) const {
  double sum = advancing(tokens);
  for (int stage = 0; stage < stageCount; stage++) sum += collecting(stage, tokens);
  for (double work : quantizing_) sum += work;
  return sum;
}

}  // namespace accllm::quant
