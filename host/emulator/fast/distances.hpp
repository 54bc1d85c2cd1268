#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "../engine.hpp"
#include "accllm/ports.hpp"
#include "cache_view.hpp"
#include "relay.hpp"

namespace accllm::emulator::fast {

/// Distance tables, transposed so that sixteen neighbouring slots read sixteen neighbouring words
/// (DistanceView).
class DistanceCache {
 public:
  /// Forgets all tables if this is another buffer than the last time, or was written since.
  void bind(const PortMemory& table);
  DistanceView view(const accel::Ports& ports, uint32_t offset, uint32_t row_beats, uint32_t rows,
                    uint32_t head_dim);

 private:
  using Key = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;
  struct Table {
    std::unique_ptr<AlignedBytes> memory;
    DistanceView view;
  };

  PortMemory table_ = {nullptr, 0, 0};
  std::map<Key, Table> tables_;
};

}  // namespace accllm::emulator::fast
