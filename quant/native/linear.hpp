#pragma once
#include <cstdint>
#include <vector>

#include "adam.hpp"
#include "pool.hpp"

namespace accllm::quant {

constexpr int groupSize = 64;

/** What a weight format can store: weights scale * (code - zero), zero in half steps. See quant/format. */
struct Format {
  int maxCode;
  /** Zero-points are multiples of this many half steps, up to maxZeroHalf. */
  int zeroStep;
  int maxZeroHalf;
  /** Two of every four inputs are kept. */
  bool sparse;
};

/**
 * A quantized matrix in training. Its parameters are positions on the grid in steps, w / scale + zero, whose
 * rounding is the code, and one scale for 64 inputs of a row.
 */
struct QuantLinear {
  int rows = 0;
  int columns = 0;
  int groups = 0;
  Format format{};
  /** Stays as it is: its weights are exact. */
  bool frozen = false;
  /** [rows][columns] */
  std::vector<float> position;
  /** [rows][groups] */
  std::vector<float> scale;
  /** [rows][groups], in steps. */
  std::vector<float> zero;
  /** [rows][columns], 0 where 2:4 drops the weight; empty for dense formats. */
  std::vector<uint8_t> keep;
  /** [rows][columns], what the kernel multiplies by. */
  std::vector<float> weight;
  /** Gradient of the loss by `weight`; empty until training. */
  std::vector<float> gradient;
  Moments positionMoments;
  Moments scaleMoments;

  void resize(int rows, int columns, Format format);
  /** Sets `weight` from the parameters. */
  void dequantize(Pool& pool);
  /**
   * One step of Adam. The gradient passes through rounding unchanged (straight-through), and positions are
   * kept within half a step of the grid, so that a clipped weight can come back. Scales move by factors.
   */
  void step(Pool& pool, const AdamStep& adam, float positionRate, float scaleRate);
  /** Code of a weight. */
  int code(int64_t i) const;
};

}  // namespace accllm::quant
