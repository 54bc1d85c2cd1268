#include "weight_cache.hpp"

#include <algorithm>

namespace accllm::emulator::fast {
namespace {

bool same(const PortMemory& a, const PortMemory& b) {
  return a.data == b.data && a.bytes == b.bytes && a.generation == b.generation;
}

}  // namespace

uint8_t* PanelArena::take(size_t bytes) {
  // Only touched pages are memory.
  constexpr size_t chunk_bytes = size_t{64} << 20;
  if (chunks_.empty() || chunks_.back().size - chunks_.back().used < bytes) {
    const size_t size = std::max(chunk_bytes, bytes);
    chunks_.push_back({std::make_unique<AlignedBytes>(size), size, 0});
  }
  Chunk& chunk = chunks_.back();
  uint8_t* piece = chunk.bytes->data() + chunk.used;
  chunk.used += bytes;
  return piece;
}

void WeightCache::bind(const std::vector<PortMemory>& weights) {
  if (std::equal(weights.begin(), weights.end(), weights_.begin(), weights_.end(), same)) return;
  matrices_.clear();
  arena_.clear();
  weights_ = weights;
}

MatrixView WeightCache::matrix(const accel::Ports& ports, const accel::MatrixShape& shape,
                               const Kernels& kernels, Pool& pool) {
  std::unique_ptr<PanelMatrix>& found = matrices_[{shape.offset, shape.rows, shape.groups, shape.format}];
  if (!found) {
    auto matrix = std::make_unique<PanelMatrix>(shape, arena_.take(PanelMatrix::bytes(shape)));
    pool.loop(matrix->panels(), 4, [&](uint32_t first, uint32_t last, uint32_t) {
      for (uint32_t panel = first; panel < last; ++panel) matrix->lay(ports, shape, panel, kernels);
    });
    found = std::move(matrix);
  }
  return found->view();
}

}  // namespace accllm::emulator::fast
