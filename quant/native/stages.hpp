#pragma once
#include <vector>

#include "block.hpp"
#include "gptq.hpp"

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

/** Sums over the tokens that a stage's matrices are quantized by; x are its inputs in the quantized stream.
 */
struct StageSums {
  Hessian hessian;
  /** [width][width]: the sum of d^T x, d what x lacks of the float stream's inputs. */
  std::vector<float> inputs;
  /** [hidden][width]: the sum of d^T x, d what the quantized residual stream lacks of the float one. */
  std::vector<float> stream;
};

/** What a forward pass that was left halfway has left in `acts`. */
enum class Kept { nothing, attended, middle };

/** Takes x through a layer as far as the inputs of a stage, from what is kept of an earlier pass on. */
const std::vector<float>& stageInput(Block& block, const LayerWeights& weights, const float* x, Batch batch,
                                     int stage, Activations& acts, Kept kept = Kept::nothing);

}  // namespace accllm::quant
