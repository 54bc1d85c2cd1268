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
  void addDiagonal(float value);
  int width() const { return width_; }

  /** The matrix with rows and columns in another order, and `damping` times the mean diagonal added to its
   * own. */
  std::vector<float> damped(float damping, const std::vector<int>& order) const;
  std::vector<float> diagonal() const;

 private:
  int width_ = 0;
  /** [width][width], of which only the diagonal and what is right of it counts. */
  std::vector<float> values_;
};

/** The upper triangle U, row after row, with U^T U the inverse of a damped Hessian. */
std::vector<float> inverseFactor(Pool& pool, const std::vector<float>& hessian, int64_t width);

struct GptqOptions {
  /** Share of the Hessian's mean diagonal that is added to its diagonal. */
  float damping;
  /** Sweeps of coordinate descent over what GPTQ found. */
  int sweeps;
};

/**
 * Quantizes a matrix column by column, each error pushed into the columns not yet done (GPTQ, Frantar 2022);
 * 2:4 as well, mask and codes chosen together (SparseGPT, Frantar 2023). Grids are chosen when a group is
 * reached, for the weights as they are then, each weighted by the Hessian's diagonal. Then scales and codes
 * are refined by coordinate descent.
 * @param weights [rows][columns].
 * @param residual [rows][columns], the sum of e^T x where e is what the outputs of the float matrix on the
 * quantized inputs x lack of what is wanted; the weights of least squares take its place into account. Empty
 * for none.
 * @param mask [rows][columns], what to keep; null where the mask is to be chosen.
 * @param out resized by the caller; receives positions, scales, zero-points and the mask.
 */
void gptq(Pool& pool, const std::vector<float>& weights, const std::vector<float>& residual,
          const Hessian& hessian, const GptqOptions& options, const uint8_t* mask, QuantLinear& out);

}  // namespace accllm::quant
