#pragma once
#include <vector>

#include "block.hpp"

namespace accllm::quant {

/** Matrices that share their inputs, in the order of the forward pass. */
inline const std::vector<int> stages[] = {{Matrix::query, Matrix::key, Matrix::value},
                                          {Matrix::output},
                                          {Matrix::gate, Matrix::up},
                                          {Matrix::down}};
constexpr int stageCount = 4;

inline int stageOf(int matrix) {
  int stage = 0;
  while (stages[stage].back() < matrix) stage++;
  return stage;
}

/** Takes x through a layer as far as the inputs of a stage. */
const std::vector<float>& stageInput(Block& block, const LayerWeights& weights, const float* x, Batch batch,
                                     int stage, Activations& acts);

}  // namespace accllm::quant
