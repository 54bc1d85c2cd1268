#pragma once

#include <cstdint>
#include <vector>

#include "accllm/descriptor.hpp"
#include "cache_view.hpp"

namespace accllm::emulator::fast {

/// The blocks of the cache that one token attends to, kept as long as the same is asked for.
class Span {
 public:
  /// `sink_position`: the sinks' query position from the token record.
  const std::vector<SpanBlock>& blocks(const accel::CacheShape& cache, uint32_t position,
                                       uint32_t sink_position);

 private:
  struct Key {
    uint32_t sinks, window, ring, position, sink_position;
    bool operator==(const Key& other) const {
      return sinks == other.sinks && window == other.window && ring == other.ring &&
             position == other.position && sink_position == other.sink_position;
    }
  };

  void build();

  bool built_ = false;
  Key key_ = {};
  std::vector<SpanBlock> blocks_;
};

}  // namespace accllm::emulator::fast
