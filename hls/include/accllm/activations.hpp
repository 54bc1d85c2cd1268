#pragma once

#include <cstdint>

#include "accllm/generated/format.hpp"

namespace accel {

/// Activation buffers of a block of tokens, on chip between descriptors; L: compile-time maxima.
template <class L>
struct ActivationsOf {
  float x[L::block_tokens][L::hidden];
  /// int8 codes that every matrix product reads, zero behind their end up to a whole group.
  int8_t a[L::block_tokens][L::columns];
  float a_scale[L::block_tokens];
  float q[L::block_tokens][L::head_elements];
  float k[L::block_tokens][L::head_elements];
  float v[L::block_tokens][L::head_elements];
  float g[L::block_tokens][L::columns];
  float u[L::block_tokens][L::columns];
  float y[L::block_tokens][L::hidden];
  /// Set when a vector that was to be quantized held an infinity or a NaN.
  bool non_finite;
};

/// The format's own maxima, which the functional kernel takes.
struct FormatLimits {
  static constexpr uint32_t block_tokens = limit::block_tokens;
  static constexpr uint32_t hidden = limit::hidden;
  static constexpr uint32_t columns = limit::columns;
  static constexpr uint32_t head_elements = limit::head_elements;
  static constexpr uint32_t head_dim = limit::head_dim;
  static constexpr uint32_t head_step = limit::head_step;
  static constexpr uint32_t slots = limit::slots;
  static constexpr uint32_t span = limit::span;
  static constexpr uint32_t vocabulary = limit::vocabulary;
};
using Activations = ActivationsOf<FormatLimits>;

/// A float32 buffer of the block; `stride` is both its capacity a token and the distance between tokens.
struct FloatBuffer {
  float* data;
  uint32_t stride;
};

/// The float32 buffer that a descriptor names; data is null for `a` and for unknown names.
template <class L>
FloatBuffer float_buffer(ActivationsOf<L>& act, uint32_t name) {
  switch (name) {
    case buffer::x:
      return {act.x[0], L::hidden};
    case buffer::q:
      return {act.q[0], L::head_elements};
    case buffer::k:
      return {act.k[0], L::head_elements};
    case buffer::v:
      return {act.v[0], L::head_elements};
    case buffer::g:
      return {act.g[0], L::columns};
    case buffer::u:
      return {act.u[0], L::columns};
    case buffer::y:
      return {act.y[0], L::hidden};
    default:
      return {nullptr, 0};
  }
}

}  // namespace accel
