#pragma once

#include <cmath>

#include "math.hpp"

/// \file
/// Operations on one token's vectors.

namespace accllm::emulator::fast {
namespace {

/// int8 codes of a vector, zero up to a whole group. \return whether all values are finite.
template <class S>
bool quantize(const float* values, uint32_t length, int8_t* codes, float* scale) {
  const Quantizer quantizer(absmax_bits<S>(values, length), 127.0f);
  quantize_all<S, typename S::SignedBytes>(values, length, quantizer.inverse, 127.0f, codes);
  const uint32_t padded = (length + accel::group_size - 1) / accel::group_size * accel::group_size;
  std::memset(codes + length, 0, padded - length);
  *scale = quantizer.scale;
  return quantizer.finite;
}

/// 1 / sqrt(mean of squares + epsilon), in sixteen partial sums and a tree.
template <class S>
float inverse_norm(const float* x, uint32_t length, float epsilon) {
  using F32 = typename S::F32;
  constexpr uint32_t width = 16;
  constexpr uint32_t parts = width / S::lanes;
  F32 sums[parts] = {};
  uint32_t i = 0;
  for (; i + width <= length; i += width) {
    for (uint32_t p = 0; p < parts; ++p) {
      const F32 value = load_as<F32>(x + i + p * S::lanes);
      sums[p] += value * value;
    }
  }
  float partial[width];
  std::memcpy(partial, sums, sizeof partial);
  for (uint32_t l = 0; i < length; ++i, ++l) partial[l] += x[i] * x[i];
  for (uint32_t w = width / 2; w > 0; w /= 2) {
    for (uint32_t l = 0; l < w; ++l) partial[l] += partial[l + w];
  }
  return 1.0f / std::sqrt(partial[0] / static_cast<float>(length) + epsilon);
}

template <class S>
bool norm(const float* x, const float* gain, uint32_t length, float epsilon, float* scratch, int8_t* codes,
          float* scale) {
  using F32 = typename S::F32;
  const float inverse = inverse_norm<S>(x, length, epsilon);
  uint32_t i = 0;
  for (; i + S::lanes <= length; i += S::lanes)
    store_as(scratch + i, load_as<F32>(x + i) * inverse * load_as<F32>(gain + i));
  for (; i < length; ++i) scratch[i] = x[i] * inverse * gain[i];
  return quantize<S>(scratch, length, codes, scale);
}

/// g = silu(g) * u of whole vectors.
template <class S>
void silu_vectors(float* g, const float* u, uint32_t vectors) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  const auto load = [&](uint32_t v) {
    const F32 x = load_as<F32>(g + v * S::lanes);
    return x >= 0.0f ? -x : x;
  };
  exp24<S>(vectors, load, [&](uint32_t v, I32 fixed) {
    const F32 x = load_as<F32>(g + v * S::lanes);
    const F32 e = S::to_float(fixed) * power_of_two(-24);
    const F32 sigma = (x >= 0.0f ? S::fill(1.0f) : e) / (1.0f + e);
    store_as(g + v * S::lanes, x * sigma * load_as<F32>(u + v * S::lanes));
  });
}

/// g = silu(g) * u.
template <class S>
void silu_mul(float* g, const float* u, uint32_t length) {
  using F32 = typename S::F32;
  const uint32_t vectors = length / S::lanes;
  silu_vectors<S>(g, u, vectors);
  const uint32_t done = vectors * S::lanes;
  if (done == length) return;
  F32 last = load_part<F32>(g + done, length - done);
  const F32 factor = load_part<F32>(u + done, length - done);
  silu_vectors<S>(reinterpret_cast<float*>(&last), reinterpret_cast<const float*>(&factor), 1);
  std::memcpy(g + done, &last, (length - done) * sizeof(float));
}

template <class S>
void add(float* x, const float* y, uint32_t length) {
  using F32 = typename S::F32;
  uint32_t i = 0;
  for (; i + S::lanes <= length; i += S::lanes) store_as(x + i, load_as<F32>(x + i) + load_as<F32>(y + i));
  for (; i < length; ++i) x[i] += y[i];
}

/// A row of float16 to float32.
template <class S>
void embed(const uint16_t* row, uint32_t hidden, float* x) {
  // Rows are whole beats of 32 halves.
  for (uint32_t i = 0; i < hidden; i += S::lanes) {
    const typename S::F32 values = from_half<S>(S::widen(row + i));
    const uint32_t left = hidden - i < S::lanes ? hidden - i : S::lanes;
    std::memcpy(x + i, &values, left * sizeof(float));
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
