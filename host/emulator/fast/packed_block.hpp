#pragma once

#include <cstdint>
#include <memory>

#include "batch.hpp"
#include "kernels.hpp"
#include "pool.hpp"
#include "relay.hpp"

namespace accllm::emulator::fast {

/// The int8 activations of a block in the order that a product wants; packed once for all matrices that
/// multiply the same activations.
class PackedBlock {
 public:
  PackedBlock();
  /// To be called when the activations change.
  void forget() { valid_ = false; }
  /// Packs tokens first .. tokens - 1.
  BlockView view(const Kernels& kernels, const Activations& act, Packing packing, uint32_t groups,
                 uint32_t first, uint32_t tokens, Pool& pool);

 private:
  AlignedBytes codes_;
  std::unique_ptr<int32_t[]> sums_;
  bool valid_ = false;
  Packing packing_ = Packing::dense;
  uint32_t groups_ = 0;
  uint32_t first_ = 0;
  uint32_t tokens_ = 0;
};

}  // namespace accllm::emulator::fast
