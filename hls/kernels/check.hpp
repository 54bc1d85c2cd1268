#pragma once

#include "accllm/activations.hpp"
#include "accllm/descriptor.hpp"

namespace accel {

inline bool in_range(uint32_t value, uint32_t most) { return value >= 1 && value <= most; }

inline bool valid_matrix(const Descriptor& d, uint32_t channels, uint32_t most_rows) {
  return d.field(field::matmul::format) < 4 && in_range(d.field(field::matmul::rows), most_rows) &&
         in_range(d.field(field::matmul::columns), limit::columns) &&
         matrix_shape(d, channels).beats == d.field(field::matmul::beats);
}

inline bool valid_cache(const Descriptor& d) {
  const uint32_t kv_heads = d.field(field::rope_kv::kv_heads);
  const uint32_t head_dim = d.field(field::rope_kv::head_dim);
  const uint32_t sinks = d.field(field::rope_kv::sinks);
  const uint32_t window = d.field(field::rope_kv::window);
  const uint32_t ring = d.field(field::rope_kv::ring);
  return in_range(head_dim, limit::head_dim) && head_dim % 2 == 0 &&
         in_range(kv_heads, limit::head_elements) && kv_heads * head_dim <= limit::head_elements &&
         in_range(window, limit::span) && sinks <= limit::span && ring >= window + limit::block_tokens - 1 &&
         ring <= limit::slots && sinks + ring <= limit::slots;
}

/// Whether a descriptor's sizes are within the kernel's maxima; nothing of it is executed otherwise.
inline bool valid_descriptor(const Descriptor& d, uint32_t weight_channels) {
  switch (d.operation()) {
    case operation::embed:
      return in_range(d.field(field::embed::hidden), limit::hidden) &&
             in_range(d.field(field::embed::vocabulary), limit::vocabulary);
    case operation::norm:
      return in_range(d.field(field::norm::length), limit::hidden);
    case operation::matmul: {
      const uint32_t destination = d.field(field::matmul::destination);
      uint32_t capacity = 0;
      if (destination == buffer::q || destination == buffer::k || destination == buffer::v) {
        capacity = limit::head_elements;
      } else if (destination == buffer::g || destination == buffer::u) {
        capacity = limit::columns;
      } else if (destination == buffer::y) {
        capacity = limit::hidden;
      }
      return valid_matrix(d, weight_channels, capacity);
    }
    case operation::rope_kv:
      return valid_cache(d);
    case operation::attend: {
      const uint32_t heads = d.field(field::attend::heads);
      return valid_cache(d) && in_range(heads, limit::head_elements) &&
             heads % d.field(field::attend::kv_heads) == 0 &&
             heads * d.field(field::attend::head_dim) <= limit::head_elements;
    }
    case operation::silu_mul:
      return in_range(d.field(field::silu_mul::length), limit::columns);
    case operation::add:
      return in_range(d.field(field::add::length), limit::hidden);
    case operation::logits:
      return valid_matrix(d, weight_channels, limit::vocabulary) &&
             d.field(field::logits::row_beats) >= ceil_div(d.field(field::logits::rows), beat_words);
    case operation::dump: {
      const uint32_t name = d.field(field::dump::buffer);
      const uint32_t capacity = name == buffer::x || name == buffer::y ? limit::hidden
                                : name == buffer::q || name == buffer::k || name == buffer::v
                                    ? limit::head_elements
                                : name <= buffer::y ? limit::columns
                                                    : 0;
      const uint32_t length = d.field(field::dump::length);
      const uint32_t words = length + (name == buffer::a ? 1 : 0);
      return in_range(length, capacity) && d.field(field::dump::row_beats) >= ceil_div(words, beat_words);
    }
    default:
      return false;
  }
}

}  // namespace accel
