#pragma once
#include <vector>

#include "linear.hpp"

namespace accllm::quant {

/** How much a matrix's outputs depend on its inputs: the sum of x^T x over all calibration vectors x. */
class Hessian {
 public:
  void reset(int width);
  /** Adds `rows` vectors. */
  void add(Pool& pool, const float* x, int64_t rows);
  int width() const { return width_; }
  const std::vector<float>& values() const { return values_; }

  /**
   * The upper triangle U, row after row, with U^T U the inverse of the Hessian. `damping` times the mean
   * diagonal is added first.
   */
  std::vector<float> inverseFactor(Pool& pool, float damping) const;
  std::vector<float> diagonal() const;

 private:
  int width_ = 0;
  std::vector<float> values_;
};

/**
 * Quantizes a matrix column by column, each error pushed into the columns not yet done (GPTQ, Frantar 2022);
 * 2:4 as well, mask and codes chosen together (SparseGPT, Frantar 2023). Grids are chosen when a group is
 * reached, for the weights as they are then, each weighted by the Hessian's diagonal.
 * @param weights [rows][columns]; used up.
 * @param mask [rows][columns], what to keep; null where the mask is to be chosen.
 * @param out resized by the caller; receives positions, scales, zero-points and the mask.
 */
void gptq(Pool& pool, std::vector<float>& weights, const Hessian& hessian, float damping, const uint8_t* mask,
          QuantLinear& out);

}  // namespace accllm::quant
