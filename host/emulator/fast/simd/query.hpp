#pragma once

#include "head.hpp"

namespace accllm::emulator::fast {
namespace {

/// Words of four bytes, eight 4-bit codes, of a cached vector.
constexpr uint32_t most_words = most_head_dim / 8;

/// A rotated query in 8 bits, in the order of the cache's nibbles: for every word of codes the four low
/// nibbles' elements, then the four high nibbles'.
struct RotatedQuery {
  int8_t codes[most_words * 8];
  int32_t sum;
  /// Scale times the descriptor's score scale.
  float factor;
};

/// What key centering gives back, as 16-bit pairs: code = 256 * high + low.
struct MeanQuery {
  int32_t high[most_head_dim / 2];
  int32_t low[most_head_dim / 2];
  float factor;
};

/// Everything about one query head that does not depend on the key.
struct HeadQuery {
  RotatedQuery window;
  RotatedQuery sink;
  MeanQuery mean;
};

template <class S>
bool rotate_query(const AttendView& a, const float* q, const Rotation& rotation, RotatedQuery& out) {
  float v[most_head_dim] = {};
  int8_t codes[most_head_dim];
  std::memcpy(v, q, a.head_dim * sizeof(float));
  rope(v, a.head_dim, rotation);
  if (a.hadamard) hadamard<S>(v, a.head_dim);
  const Quantizer quantizer(absmax_bits<S>(v, a.head_dim), 127.0f);
  quantize_all<S, typename S::SignedBytes>(v, a.head_dim, quantizer.inverse, 127.0f, codes);
  std::memset(out.codes, 0, sizeof out.codes);
  out.sum = 0;
  for (uint32_t i = 0; i < a.head_dim; ++i) {
    out.sum += codes[i];
    out.codes[i / 8 * 8 + i % 2 * 4 + i % 8 / 2] = codes[i];
  }
  out.factor = quantizer.scale * a.score_scale;
  return quantizer.finite;
}

template <class S>
bool mean_query(const AttendView& a, const float* q, MeanQuery& out) {
  float v[most_head_dim] = {};
  int16_t codes[most_head_dim];
  const uint32_t half = a.head_dim / 2;
  for (uint32_t i = 0; i < half; ++i) {
    v[i] = q[i] * a.means[i] + q[i + half] * a.means[i + half];
    v[i + half] = q[i] * a.means[i + half] - q[i + half] * a.means[i];
  }
  const Quantizer quantizer(absmax_bits<S>(v, a.head_dim), 32767.0f);
  quantize_all<S, typename S::Shorts>(v, a.head_dim, quantizer.inverse, 32767.0f, codes);
  for (uint32_t k = 0; k < half; ++k) {
    const int32_t even = codes[2 * k];
    const int32_t odd = codes[2 * k + 1];
    out.high[k] = ((even >> 8) & 0xffff) | ((odd >> 8) * (1 << 16));
    out.low[k] = (even & 0xff) | ((odd & 0xff) << 16);
  }
  out.factor = quantizer.scale * a.mean_scale;
  return quantizer.finite;
}

/// Rotates and quantizes a query head. \return whether all of it is finite.
template <class S>
bool prepare_query(const AttendView& a, const float* q, HeadQuery& out) {
  const bool window = rotate_query<S>(a, q, a.window, out.window);
  const bool sink = rotate_query<S>(a, q, a.sink, out.sink);
  const bool mean = a.means == nullptr || mean_query<S>(a, q, out.mean);
  return window && sink && mean;
}

}  // namespace
}  // namespace accllm::emulator::fast
