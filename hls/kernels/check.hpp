#pragma once

#include "accllm/activations.hpp"
#include "accllm/descriptor.hpp"

namespace accel {

inline bool in_range(uint32_t value, uint32_t most) { return value >= 1 && value <= most; }

template <class L>
bool valid_matrix(const Descriptor& d, uint32_t channels, uint32_t most_rows) {
  return d.field(field::matmul::format) < 4 && in_range(d.field(field::matmul::rows), most_rows) &&
         in_range(d.field(field::matmul::columns), L::columns) &&
         matrix_shape(d, channels).beats == d.field(field::matmul::beats);
}

template <class L>
bool valid_cache(const Descriptor& d) {
  const uint32_t kv_heads = d.field(field::rope_kv::kv_heads);
  const uint32_t head_dim = d.field(field::rope_kv::head_dim);
  const uint32_t sinks = d.field(field::rope_kv::sinks);
  const uint32_t window = d.field(field::rope_kv::window);
  const uint32_t ring = d.field(field::rope_kv::ring);
  return in_range(head_dim, L::head_dim) && head_dim % L::head_step == 0 &&
         in_range(kv_heads, L::head_elements) && kv_heads * head_dim <= L::head_elements &&
         in_range(window, L::span) && sinks <= L::span && ring >= window + L::block_tokens - 1 &&
         ring <= L::slots && sinks + ring <= L::slots;
}

/// Whether a descriptor's sizes are within the maxima L; nothing of it is executed otherwise.
template <class L = FormatLimits>
bool valid_descriptor(const Descriptor& d, uint32_t weight_channels) {
  switch (d.operation()) {
    case operation::embed:
      return in_range(d.field(field::embed::hidden), L::hidden) &&
             in_range(d.field(field::embed::vocabulary), L::vocabulary);
    case operation::norm:
      return in_range(d.field(field::norm::length), L::hidden);
    case operation::matmul: {
      const uint32_t destination = d.field(field::matmul::destination);
      uint32_t capacity = 0;
      if (destination == buffer::q || destination == buffer::k || destination == buffer::v) {
        capacity = L::head_elements;
      } else if (destination == buffer::g || destination == buffer::u) {
        // A row of the table on chip holds no bias that long.
        capacity = d.has(flag::biased) ? 0 : L::columns;
      } else if (destination == buffer::y) {
        capacity = L::hidden;
      }
      return valid_matrix<L>(d, weight_channels, capacity);
    }
    case operation::rope_kv:
      return valid_cache<L>(d);
    case operation::attend: {
      const uint32_t heads = d.field(field::attend::heads);
      return valid_cache<L>(d) && in_range(heads, L::head_elements) &&
             heads % d.field(field::attend::kv_heads) == 0 &&
             (!d.has(flag::centered) ||
              d.field(field::attend::distance_beats) <= ceil_div(L::head_dim, beat_bytes / 2)) &&
             heads * d.field(field::attend::head_dim) <= L::head_elements;
    }
    case operation::silu_mul:
      return in_range(d.field(field::silu_mul::length), L::columns);
    case operation::add:
      return in_range(d.field(field::add::length), L::hidden);
    case operation::logits:
      return valid_matrix<L>(d, weight_channels, L::vocabulary) &&
             d.field(field::logits::row_beats) >= ceil_div(d.field(field::logits::rows), beat_words);
    case operation::dump: {
      const uint32_t name = d.field(field::dump::buffer);
      const uint32_t capacity = name == buffer::x || name == buffer::y ? L::hidden
                                : name == buffer::q || name == buffer::k || name == buffer::v
                                    ? L::head_elements
                                : name <= buffer::y ? L::columns
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
