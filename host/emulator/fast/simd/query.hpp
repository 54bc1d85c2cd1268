#pragma once

#include "keys.hpp"

namespace accllm::emulator::fast {
namespace {

/// A rotated query in 8 bits, in the order of the cache's nibbles: for every word of codes the four low
/// nibbles' elements, then the four high nibbles'.
struct RotatedQuery {
  int8_t codes[most_words * 8];
  float sum;
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

/// Brings codes into the order of RotatedQuery, in whole vectors. \return their sum.
template <class S>
int32_t order_codes(int8_t* codes, uint32_t bytes) {
  using I32 = typename S::I32;
  using U8 = typename S::U8;
  static constexpr uint8_t evens_first[64] = {0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
                                              0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
                                              0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15,
                                              0, 2, 4, 6, 1, 3, 5, 7, 8, 10, 12, 14, 9, 11, 13, 15};
  const U8 index = load_as<U8>(evens_first);
  I32 sum = {};
  for (uint32_t i = 0; i < bytes; i += sizeof(U8)) {
    const U8 ordered = S::pick(load_as<U8>(codes + i), index);
    sum = S::dot(sum, S::fill_bytes(1), ordered);
    store_as(codes + i, ordered);
  }
  int32_t total = 0;
  for (int i = 0; i < S::lanes; ++i) total += sum[i];
  return total;
}

template <class S>
bool rotate_query(const AttendView& a, const float* q, const Rotation& rotation, RotatedQuery& out) {
  float v[most_head_dim];
  rope(q, a.head_dim, rotation, v);
  if (a.hadamard) hadamard<S>(v, a.head_dim);
  const Quantizer quantizer(absmax_bits<S>(v, a.head_dim), 127.0f);
  quantize_all<S, typename S::SignedBytes>(v, a.head_dim, quantizer.inverse, 127.0f, out.codes);
  // Whole vectors of any level.
  const uint32_t bytes = (a.head_dim + 63) & ~63u;
  std::memset(out.codes + a.head_dim, 0, bytes - a.head_dim);
  out.sum = static_cast<float>(order_codes<S>(out.codes, bytes));
  out.factor = quantizer.scale * a.score_scale;
  return quantizer.finite;
}

template <class S>
bool mean_query(const AttendView& a, const float* q, HeadQuery<S>& out) {
  float v[most_head_dim];
  int16_t codes[most_head_dim];
  const uint32_t half = a.head_dim / 2;
  for (uint32_t i = 0; i < half; ++i) {
    v[i] = q[i] * a.means[i] + q[i + half] * a.means[i + half];
    v[i + half] = q[i] * a.means[i + half] - q[i + half] * a.means[i];
  }
  const Quantizer quantizer(absmax_bits<S>(v, a.head_dim), 32767.0f);
  quantize_all<S, typename S::Shorts>(v, a.head_dim, quantizer.inverse, 32767.0f, codes);
  out.mean.set(codes, half, a.distances.radius);
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
