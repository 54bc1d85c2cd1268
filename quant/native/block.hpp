#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "pool.hpp"

namespace accllm::quant {

/** The matrices of a decoder layer, in the order of the forward pass. */
enum Matrix { query, key, value, output, gate, up, down, matrices };

struct Shape {
  int hidden;
  int intermediate;
  int heads;
  int kvHeads;
  int headDim;
  float epsilon;
  /** Whether keys and values are rotated before they are quantized to four bits. */
  bool hadamard;
  /** Radians per position of each pair of elements: headDim / 2. */
  std::vector<double> frequencies;

  int rows(int matrix) const;
  int columns(int matrix) const;
};

/** What a layer computes with. */
struct LayerWeights {
  std::array<const float*, matrices> matrix;
  /** Added to a matrix's outputs; null where there is none. */
  std::array<const float*, matrices> bias;
  const float* inputNorm;
  const float* postNorm;
  /** Mean of the keys before RoPE [kvHeads * headDim]; for quantized layers. */
  const float* keyMean;
  /** Activations in eight bits, keys and values in four. */
  bool quantized;
};

/** Some sequences of equal length: `tokens` = sequences * length rows of every activation. */
struct Batch {
  int sequences;
  int length;
  int64_t tokens() const { return static_cast<int64_t>(sequences) * length; }
};

/** Everything a forward pass leaves behind for the backward pass; row after row, a row a token. */
struct Activations {
  std::vector<float> inputScale, attentionInput;
  /** After RoPE; keys and values as the cache returns them. */
  std::vector<float> query, key, value;
  /** Softmax [sequence][head][length][length]. */
  std::vector<float> probabilities;
  std::vector<float> attended, middle;
  std::vector<float> postScale, feedForwardInput;
  std::vector<float> gate, up, gated;
};

struct LayerGradients {
  /** By the matrices' weights; null where none is wanted. */
  std::array<float*, matrices> matrix;
  float* inputNorm;
  float* postNorm;
};

/** One Llama decoder layer over whole sequences, with simulated quantization of activations and cache. */
class Block {
 public:
  Block(Pool& pool, const Shape& shape) : pool_(pool), shape_(shape) {}

  // The stages of the forward pass, in order; each reads what those before it left in `acts`.
  void attentionInput(const LayerWeights& w, const float* x, Batch batch, Activations& acts);
  void projections(const LayerWeights& w, Batch batch, Activations& acts);
  /** Of the projections only that of the keys. */
  void keys(const LayerWeights& w, Batch batch, Activations& acts);
  void attend(const LayerWeights& w, Batch batch, Activations& acts);
  void middle(const LayerWeights& w, const float* x, Batch batch, Activations& acts);
  void feedForwardInput(const LayerWeights& w, Batch batch, Activations& acts);
  void gating(const LayerWeights& w, Batch batch, Activations& acts);
  void result(const LayerWeights& w, Batch batch, const Activations& acts, float* y);

  /** All stages: y from x, both [tokens][hidden]; y may be x. */
  void forward(const LayerWeights& w, const float* x, Batch batch, Activations& acts, float* y);

  /**
   * Gradients through rounding are taken as if there were none. @param dy gradient by the output; becomes
   * that by the input. Matrix and gain gradients are added to what is there.
   */
  void backward(const LayerWeights& w, const float* x, Batch batch, const Activations& acts, float* dy,
                const LayerGradients& gradients);

  /** Adds the keys before RoPE, as `keys` left them, channel by channel to `sums`. */
  void addKeys(Batch batch, const Activations& acts, double* sums);

 private:
  void linear(const LayerWeights& w, const float* x, int64_t tokens, int matrix, float* y, bool add);
  void linearBackward(const float* x, const float* dy, int64_t tokens, const float* weight, int matrix,
                      float* dx, bool addInput, float* dWeight);
  void fillRotations(int length);
  void rotate(float* heads, int headCount, Batch batch, bool back);
  void place(const LayerWeights& w, Batch batch, Activations& acts);
  void attendBackward(Batch batch, const Activations& acts, const float* dOut, float* dQuery, float* dKey,
                      float* dValue);

  Pool& pool_;
  const Shape& shape_;
  /** [position][pair] of cosine and sine. */
  std::vector<float> rotations_;
  std::vector<float> dGate_, dUp_, dInput_, dAttended_, dQuery_, dKey_, dValue_;
};

/** Rows of x / rms(x) * gain; 1 / rms goes to `scales`. */
void normalize(Pool& pool, const float* x, const float* gain, float epsilon, int64_t rows, int width,
               float* scales, float* y);
/** dx += gradient through normalize; dGain += that by the gains unless null. */
void normalizeBackward(Pool& pool, const float* x, const float* gain, const float* scales, const float* dy,
                       int64_t rows, int width, float* dx, float* dGain);
/** Each row to the nearest of 255 levels, symmetric, as docs/numerics.md "absmax". In place. */
void quantizeRows(Pool& pool, float* x, int64_t rows, int64_t width);

}  // namespace accllm::quant
