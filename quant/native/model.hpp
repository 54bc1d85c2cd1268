#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "block.hpp"
#include "gptq.hpp"
#include "linear.hpp"
#include "progress.hpp"
#include "stages.hpp"
#include "work.hpp"

namespace accllm::quant {

/** A vector or matrix that is trained as it is. */
struct Parameter {
  std::vector<float> value;
  std::vector<float> gradient;
  Moments moments;

  void prepare();
  void step(Pool& pool, const AdamStep& adam, float rate);
};

/** Learning rates of one step. */
struct Rates {
  /** Positions on the grid, in steps of a two-bit grid. */
  float position;
  /** Scales, as factors. */
  float scale;
  /** Gains, and rows of embedding and output matrix in units of the matrix's root mean square. */
  float gain;
  float embedding;
  float head;
};

/** A decoder layer: as it was trained, and quantized. */
struct Layer {
  std::array<std::vector<float>, matrices> original;
  std::vector<float> inputNorm, postNorm;
  /** Biases by matrix, empty where there is none; quantizing leaves them as they are. */
  std::array<std::vector<float>, matrices> bias;
  std::array<QuantLinear, matrices> linear;
  Parameter inputGain, postGain;
  std::vector<float> keyMean;

  LayerWeights originalWeights() const;
  LayerWeights quantizedWeights() const;
  /** Makes room for gradients and moments, all zero. */
  void prepare(Pool& pool);
  LayerGradients clearedGradients();
  void step(Pool& pool, const AdamStep& adam, const Rates& rates);

 private:
  std::array<const float*, matrices> biases() const;
};

/** What training changes, kept to come back to. */
struct Snapshot {
  std::vector<std::vector<float>> values;
};

/**
 * Quantizes a Llama by its calibration sequences: two streams of hidden states go through the layers side by
 * side, one through the float layers, one through the quantized ones.
 */
class Model {
 public:
  Model(Shape shape, int layers, int vocabulary, int threads);

  Layer& layer(int index) { return layers_.at(index); }
  Pool& pool() { return pool_; }
  const Shape& shape() const { return shape_; }

  /** For what ends in logits; the embedding, which may be null, for training the whole model. */
  void setTables(const float* embedding, const float* finalNorm, const float* head);
  /** Token ids [count][length] and their embeddings, at which both streams start. */
  void setSequences(const int32_t* ids, int count, int length, const float* states);

  /** How far the layer is that `center` began with, up to the end of `advance`. */
  Progress& progress() { return progress_; }

  /** Calibrates the key means of a layer on the float stream. */
  void center(int layer);
  /** Quantizes the matrices of a layer that are not frozen on what the quantized stream feeds them. */
  void quantizeLayer(int layer, const GptqOptions& options);
  /** Takes the float stream through a float layer. */
  void target(int layer);
  /** Takes the quantized stream through the quantized layer; frees the float layer and what training it took.
   */
  void advance(int layer);

  /** Frees a layer that is done with. */
  void release(int layer) { layers_.at(layer) = Layer(); }

  /** Mean squared difference between the layer's output and the float stream, over the stream's mean square.
   */
  double layerLoss(int layer, const int32_t* sequences, int count);
  /** One step of training a layer for that loss. @return the loss before it. */
  double trainLayer(int layer, const int32_t* sequences, int count, int step, const Rates& rates);

  /** Mean over tokens of KL(float || quantized), after all layers' `target`. */
  double modelLoss(const int32_t* sequences, int count);
  double trainModel(const int32_t* sequences, int count, int step, const Rates& rates);

  /**
   * Adds a variant of the model: float but for one matrix of a layer whose format is set, quantized by GPTQ
   * on the float stream, or, not calibrated, to nearest. Before the layer's `target`.
   */
  void probe(int layer, int matrix, bool calibrated, const GptqOptions& options);
  /** Takes all variants through a float layer; before the layer's own are added. */
  void advanceProbes(int layer);
  /** Mean over tokens of KL(float || variant), in the order in which they were added; after the last layer.
   */
  double probeLoss(int variant);
  /** The same for the model with its output matrix quantized. */
  double probeHead(const Format& format, bool calibrated, const GptqOptions& options);

  /** Resets Adam for a layer, or for the whole model where layer is -1. */
  void prepare(int layer);
  void save(int layer);
  void restore(int layer);

  /**
   * Writes to a file what a quantized layer consists of, or, for layer -1, a whole model in training (after
   * `prepare` and `save`); and reads it back into a model of the same shape in the same state.
   */
  void store(int layer, const char* path);
  void load(int layer, const char* path);

  Parameter embedding, finalGain, head;

 private:
  /** Calls `visit` with the first value in a stream and the shape of every batch of sequences. */
  template <typename Visit>
  void visitStream(const Visit& visit) {
    const int step = std::max(1, batchTokens / length_);
    for (int first = 0; first < sequences_; first += step)
      visit(static_cast<int64_t>(first) * length_ * shape_.hidden,
            Batch{std::min(step, sequences_ - first), length_});
  }
  template <typename Visit>
  void visitTraining(const Visit& visit);
  /** Floats a token in what is kept within a layer. */
  int64_t withinWidth() const { return std::max(shape_.hidden, shape_.columns(Matrix::output)); }
  void keep(std::vector<float>& within, int64_t token, const std::vector<float>& rows);
  /** Back from `within` to where a forward pass left off. */
  void fetch(const std::vector<float>& within, int64_t token, Batch batch, Activations& acts) const;
  void collect(int layer, int stage, StageSums& sums);
  std::vector<float*> parametersOf(int layer, std::vector<size_t>& sizes);
  void gather(const std::vector<float>& stream, const int32_t* sequences, int count,
              std::vector<float>& out) const;
  double layerPass(int layer, const int32_t* sequences, int count);
  double modelPass(const int32_t* sequences, int count, bool train);
  double divergence(int64_t tokens, float* student, const float* teacher, bool train);

  /** Tokens that go through a layer at a time, about: bounds the memory of activations. */
  static constexpr int batchTokens = 2048;

  void normalizeFinal(const float* states, int64_t tokens, std::vector<float>& out);
  double probeLoss(const std::vector<float>& states, const std::vector<float>& output);

  Shape shape_;
  int vocabulary_;
  Pool pool_;
  Block block_;
  std::vector<Layer> layers_;
  std::vector<float> finalNorm_, originalHead_;
  int sequences_ = 0;
  int length_ = 0;
  std::vector<int32_t> ids_;
  std::vector<float> floatStream_, quantizedStream_;
  /** What both streams are within the layer `within_`, as far as `kept_` says; both in turn take all tokens.
   */
  std::vector<float> floatWithin_, quantizedWithin_;
  Kept kept_ = Kept::nothing;
  static constexpr int none = -1;
  int within_ = none;
  /** Layer whose outputs in the float stream floatWithin_ holds. */
  int throughFloat_ = none;
  Progress progress_;
  LayerWork work_;
  std::vector<Activations> activations_;
  std::vector<std::vector<float>> inputs_;
  std::vector<float> output_, target_, scales_, normalized_, logits_, teacherLogits_, gradient_;
  Snapshot snapshot_;
  /** Hidden states of every variant, and the Hessian of the layer and stage that was probed last. */
  std::vector<std::vector<float>> variants_;
  Hessian probed_;
  std::pair<int, int> probedPlace_{-1, -1};
};

}  // namespace accllm::quant
