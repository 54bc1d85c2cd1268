// What quant/native/binding.ts binds: a Model behind a handle. Every function returns 0, or -1 with a
// message.

#include <algorithm>
#include <array>
#include <exception>
#include <mutex>
#include <string>

#include "gemm.hpp"
#include "model.hpp"

#define ACCLLM_API extern "C" __attribute__((visibility("default")))

using namespace accllm::quant;

namespace {

std::mutex messageMutex;
std::string message;

template <typename Work>
int guarded(const Work& work) {
  try {
    work();
    return 0;
  } catch (const std::exception& error) {
    std::lock_guard<std::mutex> lock(messageMutex);
    message = error.what();
    return -1;
  }
}

void giveLinear(const QuantLinear& from, float* positions, float* scales, uint16_t* zeroHalves,
                uint8_t* keep) {
  std::copy(from.position.begin(), from.position.end(), positions);
  std::copy(from.scale.begin(), from.scale.end(), scales);
  std::transform(from.zero.begin(), from.zero.end(), zeroHalves,
                 [](float zero) { return static_cast<uint16_t>(2 * zero); });
  if (keep != nullptr) std::copy(from.keep.begin(), from.keep.end(), keep);
}

Model& modelOf(void* handle) { return *static_cast<Model*>(handle); }

}  // namespace

/** Why the last call that failed did, on whatever thread. */
ACCLLM_API const char* accllmQuantError() {
  std::lock_guard<std::mutex> lock(messageMutex);
  return message.c_str();
}

/** @param shape hidden, intermediate, heads, kvHeads, headDim, hadamard, layers, vocabulary, threads. */
ACCLLM_API int accllmQuantOpen(const int32_t* shape, double epsilon, const double* frequencies, void** out) {
  return guarded([&] {
    Shape s{shape[0],      shape[1],
            shape[2],      shape[3],
            shape[4],      static_cast<float>(epsilon),
            shape[5] != 0, std::vector<double>(frequencies, frequencies + shape[4] / 2)};
    *out = new Model(std::move(s), shape[6], shape[7], shape[8]);
  });
}

ACCLLM_API void accllmQuantClose(void* handle) { delete static_cast<Model*>(handle); }

ACCLLM_API int accllmQuantSetTables(void* handle, const float* embedding, const float* finalNorm,
                                    const float* head) {
  return guarded([&] { modelOf(handle).setTables(embedding, finalNorm, head); });
}

/** @param matrix of enum Matrix, or 7 and 8 for the layer's norms. */
ACCLLM_API int accllmQuantSetTensor(void* handle, int layer, int matrix, const float* values) {
  return guarded([&] {
    Model& model = modelOf(handle);
    Layer& to = model.layer(layer);
    if (matrix < matrices) {
      const size_t size = static_cast<size_t>(model.shape().rows(matrix)) * model.shape().columns(matrix);
      to.original[matrix].assign(values, values + size);
    } else {
      (matrix == matrices ? to.inputNorm : to.postNorm).assign(values, values + model.shape().hidden);
    }
  });
}

/** The bias of a matrix, one value a row. */
ACCLLM_API int accllmQuantSetBias(void* handle, int layer, int matrix, const float* values) {
  return guarded([&] {
    Model& model = modelOf(handle);
    model.layer(layer).bias.at(matrix).assign(values, values + model.shape().rows(matrix));
  });
}

ACCLLM_API int accllmQuantSetSequences(void* handle, const int32_t* ids, int count, int length,
                                       const float* states) {
  return guarded([&] { modelOf(handle).setSequences(ids, count, length, states); });
}

/** @param format maxCode, zeroStep, maxZeroHalf, sparse. @param keep the mask of a 2:4 matrix that has one,
 * or null. */
ACCLLM_API int accllmQuantSetFormat(void* handle, int layer, int matrix, const int32_t* format,
                                    const uint8_t* keep) {
  return guarded([&] {
    Model& model = modelOf(handle);
    QuantLinear& to = model.layer(layer).linear.at(matrix);
    to.resize(model.shape().rows(matrix), model.shape().columns(matrix),
              {format[0], format[1], format[2], format[3] != 0});
    to.frozen = false;
    if (keep != nullptr) std::copy(keep, keep + to.keep.size(), to.keep.begin());
  });
}

/** Sets a matrix as it is to stay (frozen), or to start from. Zero-points in half steps. */
ACCLLM_API int accllmQuantSetLinear(void* handle, int layer, int matrix, const float* positions,
                                    const float* scales, const uint16_t* zeroHalves, const uint8_t* keep,
                                    int frozen) {
  return guarded([&] {
    Model& model = modelOf(handle);
    QuantLinear& to = model.layer(layer).linear.at(matrix);
    std::copy(positions, positions + to.position.size(), to.position.begin());
    std::copy(scales, scales + to.scale.size(), to.scale.begin());
    std::transform(zeroHalves, zeroHalves + to.zero.size(), to.zero.begin(),
                   [](uint16_t half) { return static_cast<float>(half) / 2; });
    if (keep != nullptr) std::copy(keep, keep + to.keep.size(), to.keep.begin());
    to.frozen = frozen != 0;
    to.dequantize(model.pool());
  });
}

ACCLLM_API int accllmQuantGetLinear(void* handle, int layer, int matrix, float* positions, float* scales,
                                    uint16_t* zeroHalves, uint8_t* keep) {
  return guarded([&] {
    giveLinear(modelOf(handle).layer(layer).linear.at(matrix), positions, scales, zeroHalves, keep);
  });
}

/** @param which 0 input norm, 1 post norm, 2 key means; of layer -1: 0 embedding, 1 final norm, 2 output
 * matrix. */
ACCLLM_API int accllmQuantGetVector(void* handle, int layer, int which, float* out) {
  return guarded([&] {
    Model& model = modelOf(handle);
    const auto give = [&](const std::vector<float>& values) { std::copy(values.begin(), values.end(), out); };
    if (layer < 0)
      give((which == 0 ? model.embedding : which == 1 ? model.finalGain : model.head).value);
    else if (which == 2)
      give(model.layer(layer).keyMean);
    else
      give((which == 0 ? model.layer(layer).inputGain : model.layer(layer).postGain).value);
  });
}

ACCLLM_API int accllmQuantSetVector(void* handle, int layer, int which, const float* values) {
  return guarded([&] {
    Model& model = modelOf(handle);
    const auto take = [&](std::vector<float>& to) { std::copy(values, values + to.size(), to.begin()); };
    if (layer < 0)
      take((which == 0 ? model.embedding : which == 1 ? model.finalGain : model.head).value);
    else if (which == 2)
      take(model.layer(layer).keyMean);
    else
      take((which == 0 ? model.layer(layer).inputGain : model.layer(layer).postGain).value);
  });
}

ACCLLM_API int accllmQuantCenter(void* handle, int layer) {
  return guarded([&] { modelOf(handle).center(layer); });
}

ACCLLM_API int accllmQuantTarget(void* handle, int layer) {
  return guarded([&] { modelOf(handle).target(layer); });
}

ACCLLM_API int accllmQuantLayer(void* handle, int layer, double damping, int sweeps) {
  return guarded([&] { modelOf(handle).quantizeLayer(layer, {static_cast<float>(damping), sweeps}); });
}

/** Part of the layer's work that is done, from accllmQuantCenter to accllmQuantAdvance; while others are
 * called. */
ACCLLM_API double accllmQuantProgress(void* handle) { return modelOf(handle).progress().part(); }

/** Lets the call that is under way fail at its next step. */
ACCLLM_API void accllmQuantStop(void* handle) { modelOf(handle).progress().stop(); }

/** Adds a variant of the model with one matrix quantized; its format is set before. */
ACCLLM_API int accllmQuantProbe(void* handle, int layer, int matrix, int calibrated, double damping,
                                int sweeps) {
  return guarded([&] {
    modelOf(handle).probe(layer, matrix, calibrated != 0, {static_cast<float>(damping), sweeps});
  });
}

ACCLLM_API int accllmQuantAdvanceProbes(void* handle, int layer) {
  return guarded([&] { modelOf(handle).advanceProbes(layer); });
}

ACCLLM_API int accllmQuantProbeLoss(void* handle, int variant, double* loss) {
  return guarded([&] { *loss = modelOf(handle).probeLoss(variant); });
}

/** @param format as accllmQuantSetFormat's. */
ACCLLM_API int accllmQuantProbeHead(void* handle, const int32_t* format, int calibrated, double damping,
                                    int sweeps, double* loss) {
  return guarded([&] {
    const Format kind{format[0], format[1], format[2], format[3] != 0};
    *loss = modelOf(handle).probeHead(kind, calibrated != 0, {static_cast<float>(damping), sweeps});
  });
}

ACCLLM_API int accllmQuantAdvance(void* handle, int layer) {
  return guarded([&] { modelOf(handle).advance(layer); });
}

ACCLLM_API int accllmQuantRelease(void* handle, int layer) {
  return guarded([&] { modelOf(handle).release(layer); });
}

/** Layer -1 is the whole model in training. */
ACCLLM_API int accllmQuantStore(void* handle, int layer, const char* path) {
  return guarded([&] { modelOf(handle).store(layer, path); });
}

ACCLLM_API int accllmQuantLoad(void* handle, int layer, const char* path) {
  return guarded([&] { modelOf(handle).load(layer, path); });
}

/** Layer -1 is the whole model, with its loss. */
ACCLLM_API int accllmQuantPrepare(void* handle, int layer) {
  return guarded([&] { modelOf(handle).prepare(layer); });
}

ACCLLM_API int accllmQuantSave(void* handle, int layer) {
  return guarded([&] { modelOf(handle).save(layer); });
}

ACCLLM_API int accllmQuantRestore(void* handle, int layer) {
  return guarded([&] { modelOf(handle).restore(layer); });
}

ACCLLM_API int accllmQuantLoss(void* handle, int layer, const int32_t* sequences, int count, double* loss) {
  return guarded([&] {
    Model& model = modelOf(handle);
    *loss = layer < 0 ? model.modelLoss(sequences, count) : model.layerLoss(layer, sequences, count);
  });
}

/** @param step from 1. @param rates position, scale, gain, embedding, head. */
ACCLLM_API int accllmQuantTrain(void* handle, int layer, const int32_t* sequences, int count, int step,
                                const float* rates, double* loss) {
  return guarded([&] {
    Model& model = modelOf(handle);
    const Rates r{rates[0], rates[1], rates[2], rates[3], rates[4]};
    *loss = layer < 0 ? model.trainModel(sequences, count, step, r)
                      : model.trainLayer(layer, sequences, count, step, r);
  });
}

/**
 * GPTQ of one matrix on given inputs; for tests of its own.
 * @param sizes rows, columns, vectors. @param format as accllmQuantSetFormat's.
 * @param lacking [vectors][rows], what is to be added to the float matrix's outputs; null for nothing.
 * @param mask to keep to, or null.
 */
ACCLLM_API int accllmQuantMatrix(const int32_t* sizes, const int32_t* format, const float* weights,
                                 const float* inputs, const float* lacking, double damping, int sweeps,
                                 const uint8_t* mask, int threads, float* positions, float* scales,
                                 uint16_t* zeroHalves, uint8_t* keep) {
  return guarded([&] {
    const auto [rows, columns, vectors] = std::array{sizes[0], sizes[1], sizes[2]};
    Pool pool(threads);
    QuantLinear out;
    out.resize(rows, columns, {format[0], format[1], format[2], format[3] != 0});
    Hessian hessian;
    hessian.reset(columns);
    hessian.add(pool, inputs, vectors);
    std::vector<float> residual(lacking == nullptr ? 0 : out.weight.size());
    if (lacking != nullptr)
      multiply(pool, rows, columns, vectors, transposed(lacking, rows), rowMajor(inputs, columns),
               residual.data(), columns, false);
    const std::vector<float> copy(weights, weights + out.weight.size());
    gptq(pool, copy, residual, hessian, {static_cast<float>(damping), sweeps}, mask, out);
    giveLinear(out, positions, scales, zeroHalves, keep);
  });
}
