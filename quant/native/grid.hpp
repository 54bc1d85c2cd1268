#pragma once
#include "linear.hpp"

namespace accllm::quant {

struct GroupGrid {
  float scale;
  /** In steps. */
  float zero;
};

/**
 * Grid of a group of weights with the least squared error, each weight's counted `importance` times: every
 * zero-point near the range's centre (all of them for two bits), for each a sweep of steps below the one that
 * covers the range, then least squares for the codes found, in turns.
 */
GroupGrid searchGrid(const float* values, const float* importance, int count, const Format& format);

}  // namespace accllm::quant
