#pragma once

#include "accllm/descriptor.hpp"
#include "tokens.hpp"

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

/// Waves of an attend descriptor: as many heads of keys and values as there are lanes for their query heads
/// and channels to read them from, rounded down to a power of two, so that a lane has few channels to choose
/// from. A head with more queries than lanes takes several waves.
template <class C>
struct Waves {
  uint32_t kv_heads;
  uint32_t group;
  /// Waves of one head.
  uint32_t rounds;
  /// Heads of keys and values in a wave; lane l takes its beats from the (l mod heads_at_once)-th of them.
  uint32_t heads_at_once;
  uint32_t count;

  Waves(const CacheShape& c, uint32_t heads)
      : kv_heads(c.kv_heads), group(heads / c.kv_heads), rounds(ceil_div(group, C::lanes)), heads_at_once(1) {
    const uint32_t fit = group < C::lanes ? C::lanes / group : 1;
    const uint32_t most = fit < C::kv_channels ? fit : C::kv_channels;
    while (2 * heads_at_once <= most) heads_at_once *= 2;
    count = ceil_div(kv_heads, heads_at_once) * rounds;
  }

  uint32_t first_kv_head(uint32_t wave) const { return wave / rounds * heads_at_once; }
  uint32_t units(uint32_t wave) const {
    const uint32_t left = kv_heads - first_kv_head(wave);
    return left < heads_at_once ? left : heads_at_once;
  }
  uint32_t first_query(uint32_t wave) const { return wave % rounds * C::lanes; }
  /// Query heads of each head of keys and values.
  uint32_t queries(uint32_t wave) const {
    const uint32_t left = group - first_query(wave);
    return left < C::lanes ? left : C::lanes;
  }
  LaneSet lanes(uint32_t wave) const {
    return LaneSet{heads_at_once * queries(wave), heads_at_once, units(wave)};
  }
  uint32_t kv_head(uint32_t wave, uint32_t lane) const { return first_kv_head(wave) + lane % heads_at_once; }
  /// Query head of the model that a lane serves.
  uint32_t head(uint32_t wave, uint32_t lane) const {
    return kv_head(wave, lane) * group + first_query(wave) + lane / heads_at_once;
  }
};

}  // namespace accel::dataflow
