#include "block.hpp"

#include <algorithm>

#include "exponential.hpp"
#include "gemm.hpp"
#include "hot.hpp"

namespace accllm::quant {

int Shape::rows(int matrix) const {
  switch (matrix) {
    case Matrix::query:
      return heads * headDim;
    case Matrix::key:
    case Matrix::value:
      return kvHeads * headDim;
    case Matrix::gate:
    case Matrix::up:
      return intermediate;
    default:
      return hidden;
  }
}

int Shape::columns(int matrix) const {
  switch (matrix) {
    case Matrix::output:
      return heads * headDim;
    case Matrix::down:
      return intermediate;
    default:
      return hidden;
  }
}

namespace {

ACCLLM_HOT void siluMultiply(const float* gate, const float* up, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i++) out[i] = gate[i] / (1 + exponential(-gate[i])) * up[i];
}

ACCLLM_HOT void addBias(const float* bias, int count, float* y) {
  for (int i = 0; i < count; i++) y[i] += bias[i];
}

/** From the gradient by silu(gate) * up, in `dUp`, to those by gate and up. */
ACCLLM_HOT void siluMultiplyBackward(const float* gate, const float* up, int64_t count, float* dGate,
                                     float* dUp) {
  for (int64_t i = 0; i < count; i++) {
    const float sigma = 1 / (1 + exponential(-gate[i]));
    const float d = dUp[i];
    dGate[i] = d * up[i] * sigma * (1 + gate[i] * (1 - sigma));
    dUp[i] = d * gate[i] * sigma;
  }
}

}  // namespace

void Block::linear(const LayerWeights& w, const float* x, int64_t tokens, int matrix, float* y, bool add) {
  const int rows = shape_.rows(matrix);
  const int columns = shape_.columns(matrix);
  multiply(pool_, tokens, rows, columns, rowMajor(x, columns), transposed(w.matrix[matrix], columns), y, rows,
           add);
  const float* bias = w.bias[matrix];
  if (bias == nullptr) return;
  pool_.run(tokens, 64, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; t++) addBias(bias, rows, y + t * rows);
  });
}

void Block::linearBackward(const float* x, const float* dy, int64_t tokens, const float* weight, int matrix,
                           float* dx, bool addInput, float* dWeight) {
  const int rows = shape_.rows(matrix);
  const int columns = shape_.columns(matrix);
  multiply(pool_, tokens, columns, rows, rowMajor(dy, rows), rowMajor(weight, columns), dx, columns,
           addInput);
  if (dWeight == nullptr) return;
  multiply(pool_, rows, columns, tokens, transposed(dy, rows), rowMajor(x, columns), dWeight, columns, true);
}

void Block::attentionInput(const LayerWeights& w, const float* x, Batch batch, Activations& acts) {
  const int64_t tokens = batch.tokens();
  acts.inputScale.resize(tokens);
  acts.attentionInput.resize(tokens * shape_.hidden);
  normalize(pool_, x, w.inputNorm, shape_.epsilon, tokens, shape_.hidden, acts.inputScale.data(),
            acts.attentionInput.data());
  if (w.quantized) quantizeRows(pool_, acts.attentionInput.data(), tokens, shape_.hidden);
}

void Block::keys(const LayerWeights& w, Batch batch, Activations& acts) {
  acts.key.resize(batch.tokens() * shape_.rows(Matrix::key));
  linear(w, acts.attentionInput.data(), batch.tokens(), Matrix::key, acts.key.data(), false);
}

void Block::projections(const LayerWeights& w, Batch batch, Activations& acts) {
  const int64_t tokens = batch.tokens();
  acts.query.resize(tokens * shape_.rows(Matrix::query));
  acts.value.resize(tokens * shape_.rows(Matrix::value));
  const float* x = acts.attentionInput.data();
  linear(w, x, tokens, Matrix::query, acts.query.data(), false);
  keys(w, batch, acts);
  linear(w, x, tokens, Matrix::value, acts.value.data(), false);
}

void Block::middle(const LayerWeights& w, const float* x, Batch batch, Activations& acts) {
  const int64_t tokens = batch.tokens();
  acts.middle.assign(x, x + tokens * shape_.hidden);
  linear(w, acts.attended.data(), tokens, Matrix::output, acts.middle.data(), true);
}

void Block::feedForwardInput(const LayerWeights& w, Batch batch, Activations& acts) {
  const int64_t tokens = batch.tokens();
  acts.postScale.resize(tokens);
  acts.feedForwardInput.resize(tokens * shape_.hidden);
  normalize(pool_, acts.middle.data(), w.postNorm, shape_.epsilon, tokens, shape_.hidden,
            acts.postScale.data(), acts.feedForwardInput.data());
  if (w.quantized) quantizeRows(pool_, acts.feedForwardInput.data(), tokens, shape_.hidden);
}

void Block::gating(const LayerWeights& w, Batch batch, Activations& acts) {
  const int64_t tokens = batch.tokens();
  const int64_t width = shape_.intermediate;
  acts.gate.resize(tokens * width);
  acts.up.resize(tokens * width);
  acts.gated.resize(tokens * width);
  linear(w, acts.feedForwardInput.data(), tokens, Matrix::gate, acts.gate.data(), false);
  linear(w, acts.feedForwardInput.data(), tokens, Matrix::up, acts.up.data(), false);
  pool_.run(tokens, 64, [&](int64_t begin, int64_t end) {
    siluMultiply(&acts.gate[begin * width], &acts.up[begin * width], (end - begin) * width,
                 &acts.gated[begin * width]);
  });
  if (w.quantized) quantizeRows(pool_, acts.gated.data(), tokens, width);
}

void Block::result(const LayerWeights& w, Batch batch, const Activations& acts, float* y) {
  std::copy(acts.middle.begin(), acts.middle.end(), y);
  linear(w, acts.gated.data(), batch.tokens(), Matrix::down, y, true);
}

void Block::forward(const LayerWeights& w, const float* x, Batch batch, Activations& acts, float* y) {
  attentionInput(w, x, batch, acts);
  projections(w, batch, acts);
  attend(w, batch, acts);
  middle(w, x, batch, acts);
  feedForwardInput(w, batch, acts);
  gating(w, batch, acts);
  result(w, batch, acts, y);
}

void Block::backward(const LayerWeights& w, const float* x, Batch batch, const Activations& acts, float* dy,
                     const LayerGradients& gradients) {
  const int64_t tokens = batch.tokens();
  const int64_t width = shape_.intermediate;
  const int64_t hidden = shape_.hidden;
  dGate_.resize(tokens * width);
  dUp_.resize(tokens * width);
  dInput_.resize(tokens * hidden);
  linearBackward(acts.gated.data(), dy, tokens, w.matrix[Matrix::down], Matrix::down, dUp_.data(), false,
                 gradients.matrix[Matrix::down]);
  pool_.run(tokens, 64, [&](int64_t begin, int64_t end) {
    siluMultiplyBackward(&acts.gate[begin * width], &acts.up[begin * width], (end - begin) * width,
                         &dGate_[begin * width], &dUp_[begin * width]);
  });
  linearBackward(acts.feedForwardInput.data(), dGate_.data(), tokens, w.matrix[Matrix::gate], Matrix::gate,
                 dInput_.data(), false, gradients.matrix[Matrix::gate]);
  linearBackward(acts.feedForwardInput.data(), dUp_.data(), tokens, w.matrix[Matrix::up], Matrix::up,
                 dInput_.data(), true, gradients.matrix[Matrix::up]);
  normalizeBackward(pool_, acts.middle.data(), w.postNorm, acts.postScale.data(), dInput_.data(), tokens,
                    shape_.hidden, dy, gradients.postNorm);

  dAttended_.resize(acts.attended.size());
  dQuery_.resize(acts.query.size());
  dKey_.resize(acts.key.size());
  dValue_.resize(acts.value.size());
  linearBackward(acts.attended.data(), dy, tokens, w.matrix[Matrix::output], Matrix::output,
                 dAttended_.data(), false, gradients.matrix[Matrix::output]);
  attendBackward(batch, acts, dAttended_.data(), dQuery_.data(), dKey_.data(), dValue_.data());
  rotate(dQuery_.data(), shape_.heads, batch, true);
  rotate(dKey_.data(), shape_.kvHeads, batch, true);
  const float* input = acts.attentionInput.data();
  linearBackward(input, dQuery_.data(), tokens, w.matrix[Matrix::query], Matrix::query, dInput_.data(), false,
                 gradients.matrix[Matrix::query]);
  linearBackward(input, dKey_.data(), tokens, w.matrix[Matrix::key], Matrix::key, dInput_.data(), true,
                 gradients.matrix[Matrix::key]);
  linearBackward(input, dValue_.data(), tokens, w.matrix[Matrix::value], Matrix::value, dInput_.data(), true,
                 gradients.matrix[Matrix::value]);
  normalizeBackward(pool_, x, w.inputNorm, acts.inputScale.data(), dInput_.data(), tokens, shape_.hidden, dy,
                    gradients.inputNorm);
}

}  // namespace accllm::quant
