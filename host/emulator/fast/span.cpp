#include "span.hpp"

#include <algorithm>

namespace accllm::emulator::fast {

const std::vector<SpanBlock>& Span::blocks(const accel::CacheShape& cache, uint32_t position,
                                           uint32_t sink_position) {
  const Key key = {cache.sinks, cache.window, cache.ring, position, sink_position};
  if (built_ && key == key_) return blocks_;
  key_ = key;
  build();
  built_ = true;
  return blocks_;
}

void Span::build() {
  accel::CacheShape cache = {};
  cache.sinks = key_.sinks;
  cache.window = key_.window;
  cache.ring = key_.ring;
  const accel::AttentionSpan span = accel::attention_span(cache, key_.position);
  const auto sinks = static_cast<int32_t>(cache.sinks);
  const auto ring = static_cast<int32_t>(cache.ring);
  const auto attended_sinks = static_cast<int32_t>(span.sinks);
  // The host's records keep this; others would point outside the distance table.
  const int32_t sink_position =
      std::clamp(static_cast<int32_t>(key_.sink_position), std::max(attended_sinks - 1, 0),
                 static_cast<int32_t>(cache.sinks + cache.window) - 1);
  const auto recent = static_cast<int32_t>(span.recent);
  // Index in the ring of the token's own slot; -1 where it is itself a sink, and nothing of the ring is
  // attended.
  const int32_t own =
      key_.position < cache.sinks ? -1 : static_cast<int32_t>((key_.position - cache.sinks) % cache.ring);
  blocks_.clear();
  const int32_t slots = sinks + ring;
  for (int32_t first = 0; first < slots; first += static_cast<int32_t>(block_slots)) {
    SpanBlock block = {};
    block.index = static_cast<uint32_t>(first) / block_slots;
    block.sink_distance = sink_position - first;
    for (int32_t i = 0; i < static_cast<int32_t>(block_slots); ++i) {
      const int32_t slot = first + i;
      if (slot < sinks) {
        if (slot >= attended_sinks) continue;
        block.attended[i] = block.sink[i] = -1;
        block.any_sink = true;
        block.farthest = std::max(block.farthest, block.sink_distance - i);
      } else if (slot < slots && own >= 0) {
        const int32_t behind = own - (slot - sinks);
        const int32_t age = behind < 0 ? behind + ring : behind;
        if (age >= recent) continue;
        block.attended[i] = -1;
        // All attended slots of a block lie in one falling run: a ring is longer than its window by a block
        // less one.
        block.window_distance = age + i;
        block.any_window = true;
        block.farthest = std::max(block.farthest, age);
      }
    }
    block.full = std::all_of(block.attended, block.attended + block_slots, [](int32_t x) { return x != 0; });
    if (block.any_sink || block.any_window) blocks_.push_back(block);
  }
}

}  // namespace accllm::emulator::fast
