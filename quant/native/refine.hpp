#pragma once
#include <cstdint>
#include <vector>

#include "linear.hpp"
#include "order.hpp"

namespace accllm::quant {

/** A matrix whose columns are in the order of quantization; `scale` and `zero` by group as they are stored.
 */
struct OrderedMatrix {
  int64_t rows;
  int64_t columns;
  int groups;
  Format format;
  /** [rows][columns] */
  std::vector<float>& position;
  /** [rows][columns]; empty for dense formats. */
  const std::vector<uint8_t>& keep;
  /** [rows][groups] */
  std::vector<float>& scale;
  const std::vector<float>& zero;
};

/**
 * Lowers the squared error of the outputs, (w - q) H (w - q)^T a row, by coordinate descent from what GPTQ
 * found: in turns every group's scale by least squares and every code to the best one with all others as they
 * are.
 * @param weights [rows][columns] to come near to. @param hessian [columns][columns], damped.
 */
void refine(Pool& pool, const std::vector<float>& weights, const std::vector<float>& hessian,
            const std::vector<GroupSpan>& order, int sweeps, OrderedMatrix& matrix);

}  // namespace accllm::quant
