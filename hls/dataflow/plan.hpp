#pragma once

#include "slots.hpp"
#include "tokens.hpp"

/// \file
/// What sequencer and vector engine decide alike, each for itself.

namespace accel::dataflow {

/// Which distances the centering engine holds; nothing is kept between jobs, the table may have changed.
class DistanceTable {
 public:
  /// Whether an attend descriptor needs other distances than are there; they count as loaded from here on.
  bool load(const Descriptor& d) {
    if (!d.has(flag::centered)) return false;
    const uint32_t offset = d.field(field::attend::distance_offset);
    const uint32_t span = d.field(field::attend::sinks) + d.field(field::attend::window);
    if (loaded_ && offset == offset_ && span <= span_) return false;
    loaded_ = true;
    offset_ = offset;
    span_ = span;
    return true;
  }

 private:
  bool loaded_ = false;
  uint32_t offset_ = 0;
  uint32_t span_ = 0;
};

/// Distances that tokens up to `last_position` ask for: 0 to the sinks' or the window's furthest.
inline uint32_t distance_count(const Descriptor& d, uint32_t last_position) {
  const uint32_t span = d.field(field::attend::sinks) + d.field(field::attend::window);
  return last_position + 1 < span ? last_position + 1 : span;
}

/// Whether an attend descriptor has more queries than those that are made ahead: the first wave of the first
/// token that it works on.
template <class C>
bool more_than_prepared(const Descriptor& d, const Job& job) {
  return job.tokens - first_token(d, job) > 1 ||
         Waves<C>(cache_shape(d, C::kv_channels), d.field(field::attend::heads)).count > 1;
}

}  // namespace accel::dataflow
