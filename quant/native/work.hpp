#pragma once
#include <array>
#include <cstdint>

#include "block.hpp"

namespace accllm::quant {

/** What it takes to quantize a layer by calibration, in multiply-adds of big products, which bound it. */
class LayerWork {
 public:
  LayerWork() = default;
  explicit LayerWork(const Shape& shape);

  /** Sums for the matrices of a stage over some tokens, and the way of both streams there. */
  double collecting(int stage, int64_t tokens) const {
    return collecting_[stage] * static_cast<double>(tokens);
  }
  /** GPTQ and coordinate descent of a matrix. */
  double quantizing(int matrix) const { return quantizing_[matrix]; }
  /** The quantized stream's way to the layer's end. */
  double advancing(int64_t tokens) const { return advancing_ * static_cast<double>(tokens); }
  double all(int64_t tokens) const;

 private:
  std::array<double, 4> collecting_{};
  std::array<double, matrices> quantizing_{};
  double advancing_ = 0;
};

}  // namespace accllm::quant
