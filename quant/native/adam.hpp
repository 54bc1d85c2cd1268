#pragma once
#include <cmath>
#include <vector>

namespace accllm::quant {

/** Adam's running means of a parameter's gradient and of its square. */
struct Moments {
  std::vector<float> first;
  std::vector<float> second;

  void reset(size_t count) {
    first.assign(count, 0);
    second.assign(count, 0);
  }
};

/** Constants of one step (Kingma and Ba, 2015), the bias corrections of step t worked in. */
struct AdamStep {
  static constexpr float beta1 = 0.9f;
  static constexpr float beta2 = 0.95f;
  float firstFactor;
  float secondFactor;

  explicit AdamStep(int t)
      : firstFactor(1 / (1 - std::pow(beta1, static_cast<float>(t)))),
        secondFactor(1 / (1 - std::pow(beta2, static_cast<float>(t)))) {}

  /** How far a parameter moves, for a rate of one. Updates its moments. */
  float move(float gradient, float& first, float& second) const {
    first = beta1 * first + (1 - beta1) * gradient;
    second = beta2 * second + (1 - beta2) * gradient * gradient;
    return -first * firstFactor / (std::sqrt(second * secondFactor) + 1e-12f);
  }
};

}  // namespace accllm::quant
