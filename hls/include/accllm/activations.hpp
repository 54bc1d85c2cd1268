#pragma once

#include <cstdint>

#include "accllm/generated/format.hpp"

namespace accel {

/// Activation buffers of a block of tokens, on chip between descriptors.
struct Activations {
  float x[limit::block_tokens][limit::hidden];
  /// int8 codes that every matrix product reads, zero behind their end up to a whole group.
  int8_t a[limit::block_tokens][limit::columns];
  float a_scale[limit::block_tokens];
  float q[limit::block_tokens][limit::head_elements];
  float k[limit::block_tokens][limit::head_elements];
  float v[limit::block_tokens][limit::head_elements];
  float g[limit::block_tokens][limit::columns];
  float u[limit::block_tokens][limit::columns];
  float y[limit::block_tokens][limit::hidden];
  /// Set when a vector that was to be quantized held an infinity or a NaN.
  bool non_finite;
};

/// A float32 buffer of the block; `stride` is both its capacity a token and the distance between tokens.
struct FloatBuffer {
  float* data;
  uint32_t stride;
};

/// The float32 buffer that a descriptor names; data is null for `a` and for unknown names.
inline FloatBuffer float_buffer(Activations& act, uint32_t name) {
  switch (name) {
    case buffer::x:
      return {act.x[0], limit::hidden};
    case buffer::q:
      return {act.q[0], limit::head_elements};
    case buffer::k:
      return {act.k[0], limit::head_elements};
    case buffer::v:
      return {act.v[0], limit::head_elements};
    case buffer::g:
      return {act.g[0], limit::columns};
    case buffer::u:
      return {act.u[0], limit::columns};
    case buffer::y:
      return {act.y[0], limit::hidden};
    default:
      return {nullptr, 0};
  }
}

}  // namespace accel
