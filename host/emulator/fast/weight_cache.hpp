#pragma once

#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "../engine.hpp"
#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"
#include "panel.hpp"
#include "pool.hpp"
#include "relay.hpp"

namespace accllm::emulator::fast {

/// Re-laid matrices of the weight buffers that are bound at present, each laid when it is first used.
class WeightCache {
 public:
  /// Forgets all matrices if these are other buffers than the last time, or were written since.
  void bind(const std::vector<PortMemory>& weights);
  MatrixView matrix(const accel::Ports& ports, const accel::MatrixShape& shape, Pool& pool);

 private:
  /// Offset, rows, groups and format: they say where a matrix lies and what it means.
  using Key = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;

  std::vector<PortMemory> weights_;
  std::map<Key, std::unique_ptr<PanelMatrix>> matrices_;
};

}  // namespace accllm::emulator::fast
