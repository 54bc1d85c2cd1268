#pragma once

#include "keys.hpp"

namespace accllm::emulator::fast {
namespace {

/// A rotated query in 8 bits, in the order of the cache's nibbles: for every word of codes the four low
/// nibbles' elements, then the four high nibbles'.
struct RotatedQuery {
  int8_t codes[most_words * 8];
  int32_t sum;
  /// Scale times the descriptor's score scale.
  float factor;
};

/// Everything about one query head that does not depend on the key; `sink` is not set where it would be the
/// same as `window`.
template <class S>
struct HeadQuery {
  RotatedQuery window;
  RotatedQuery sink;
  bool one_rotation;
  typename MeanProduct<S>::Query mean;
  float mean_factor;
};

/// The even elements of eight, then the odd ones; the first element is the lowest byte.
inline uint64_t evens_first(uint64_t x) {
  constexpr uint64_t bytes = 0x00ff00ff00ff00ffu;
  constexpr uint64_t pairs = 0x0000ffff0000ffffu;
  const auto packed = [](uint64_t apart) {
    const uint64_t together = (apart | apart >> 8) & pairs;
    return (together | together >> 16) & 0xffffffffu;
  };
  return packed(x & bytes) | packed(x >> 8 & bytes) << 32;
}

template <class S>
bool rotate_query(const AttendView& a, const float* q, const Rotation& rotation, RotatedQuery& out) {
  float v[most_head_dim];
  rope(q, a.head_dim, rotation, v);
  if (a.hadamard) hadamard<S>(v, a.head_dim);
  const Quantizer quantizer(absmax_bits<S>(v, a.head_dim), 127.0f);
  quantize_all<S, typename S::SignedBytes>(v, a.head_dim, quantizer.inverse, 127.0f, out.codes);
  const uint32_t words = (a.head_dim + 7) / 8;
  std::memset(out.codes + a.head_dim, 0, 8 * words - a.head_dim);
  out.sum = 0;
  for (uint32_t i = 0; i < a.head_dim; ++i) out.sum += out.codes[i];
  for (uint32_t w = 0; w < words; ++w)
    store_as(out.codes + 8 * w, evens_first(load_as<uint64_t>(out.codes + 8 * w)));
  out.factor = quantizer.scale * a.score_scale;
  return quantizer.finite;
}

template <class S>
bool mean_query(const AttendView& a, const float* q, HeadQuery<S>& out) {
  float v[most_head_dim] = {};
  int16_t codes[most_head_dim];
  const uint32_t half = a.head_dim / 2;
  for (uint32_t i = 0; i < half; ++i) {
    v[i] = q[i] * a.means[i] + q[i + half] * a.means[i + half];
    v[i + half] = q[i] * a.means[i + half] - q[i + half] * a.means[i];
  }
  const Quantizer quantizer(absmax_bits<S>(v, a.head_dim), 32767.0f);
  quantize_all<S, typename S::Shorts>(v, a.head_dim, quantizer.inverse, 32767.0f, codes);
  out.mean.set(codes, half);
  out.mean_factor = quantizer.scale * a.mean_scale;
  return quantizer.finite;
}

/// Whether two rotations are the same: until the window is full, the sinks' query position is the token's.
inline bool same_rotation(const Rotation& a, const Rotation& b, uint32_t head_dim) {
  const size_t bytes = head_dim / 2 * sizeof(float);
  return std::memcmp(a.cosines, b.cosines, bytes) == 0 && std::memcmp(a.sines, b.sines, bytes) == 0;
}

/// Rotates and quantizes a query head, its sink side only where that differs. \return whether all of it is
/// finite.
template <class S>
bool prepare_query(const AttendView& a, const AttendToken& token, const float* q, bool one_rotation,
                   HeadQuery<S>& out) {
  out.one_rotation = one_rotation;
  const bool window = rotate_query<S>(a, q, token.window, out.window);
  const bool sink = one_rotation || rotate_query<S>(a, q, token.sink, out.sink);
  const bool mean = a.means == nullptr || mean_query<S>(a, q, out);
  return window && sink && mean;
}

}  // namespace
}  // namespace accllm::emulator::fast
