#pragma once

#include "accllm/descriptor.hpp"

/// \file
/// The cache as it lies in memory, sinks and window in one circular buffer: attention walks it slot by slot,
/// so that keys and values come in one burst each, and asks of every slot whether it belongs.

namespace accel::dataflow {

/// The slots that a token at `position` reads.
class SlotWalk {
 public:
  SlotWalk(const CacheShape& c, uint32_t position)
      : cache_(c),
        position_(position),
        used_(position < c.sinks + c.ring ? position + 1 : c.sinks + c.ring),
        current_(position < c.sinks ? 0 : (position - c.sinks) % c.ring) {}

  uint32_t slots() const { return used_; }
  uint32_t blocks() const { return ceil_div(used_, kv_block_slots); }

  bool sink(uint32_t slot) const { return slot < cache_.sinks; }
  /// Position of the token in a slot behind the sinks.
  uint32_t position(uint32_t slot) const { return sink(slot) ? slot : position_ - age(slot); }
  bool attended(uint32_t slot) const {
    if (slot >= used_) return false;
    return sink(slot) || (age(slot) < cache_.window && age(slot) <= position_ - cache_.sinks);
  }

 private:
  /// How many tokens ago the slot was written, for slots of the ring.
  uint32_t age(uint32_t slot) const {
    const uint32_t place = slot - cache_.sinks;
    return current_ >= place ? current_ - place : current_ + cache_.ring - place;
  }

  const CacheShape cache_;
  const uint32_t position_;
  const uint32_t used_;
  const uint32_t current_;
};

/// Waves of an attend descriptor: every cache channel takes one of its heads, with up to C::group_heads of
/// the query heads that share it.
template <class C>
struct Waves {
  uint32_t kv_heads;
  uint32_t group;
  uint32_t rounds;
  uint32_t count;

  Waves(const CacheShape& c, uint32_t heads)
      : kv_heads(c.kv_heads),
        group(heads / c.kv_heads),
        rounds(ceil_div(group, C::group_heads)),
        count(ceil_div(c.kv_heads, C::kv_channels) * rounds) {}

  uint32_t first_kv_head(uint32_t wave) const { return wave / rounds * C::kv_channels; }
  /// Channels with a head in this wave.
  uint32_t units(uint32_t wave) const {
    const uint32_t left = kv_heads - first_kv_head(wave);
    return left < C::kv_channels ? left : C::kv_channels;
  }
  uint32_t first_query(uint32_t wave) const { return wave % rounds * C::group_heads; }
  uint32_t queries(uint32_t wave) const {
    const uint32_t left = group - first_query(wave);
    return left < C::group_heads ? left : C::group_heads;
  }
  /// Head of the model: query `q` of unit `unit`.
  uint32_t head(uint32_t wave, uint32_t unit, uint32_t q) const {
    return (first_kv_head(wave) + unit) * group + first_query(wave) + q;
  }
};

}  // namespace accel::dataflow
