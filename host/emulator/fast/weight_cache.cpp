#include "weight_cache.hpp"

#include <algorithm>
#include <atomic>

namespace accllm::emulator::fast {
namespace {

bool same(const PortMemory& a, const PortMemory& b) {
  return a.data == b.data && a.bytes == b.bytes && a.generation == b.generation;
}

/// Up to whole lines.
size_t in_lines(size_t bytes) { return (bytes + line_bytes - 1) / line_bytes * line_bytes; }

}  // namespace

uint8_t* PanelArena::take(size_t bytes) {
  bytes = in_lines(bytes);
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

void PanelArena::give_back(size_t bytes) { chunks_.back().used -= in_lines(bytes); }

void WeightCache::bind(const std::vector<PortMemory>& weights) {
  if (std::equal(weights.begin(), weights.end(), weights_.begin(), weights_.end(), same)) return;
  matrices_.clear();
  places_.clear();
  arena_.clear();
  weights_ = weights;
}

MatrixView WeightCache::matrix(const accel::Ports& ports, const accel::MatrixShape& shape,
                               const Kernels& kernels, Pool& pool) {
  const Key key{shape.offset, shape.rows, shape.groups, shape.format};
  if (next_ >= matrices_.size() || matrices_[next_].key != key) {
    const auto found = places_.find(key);
    next_ = found == places_.end() ? matrices_.size() : found->second;
    if (found == places_.end()) {
      std::unique_ptr<PanelMatrix> matrix;
      if (kernels.compact && two_bit(shape.format)) matrix = lay(ports, shape, kernels, true, pool);
      if (!matrix) matrix = lay(ports, shape, kernels, false, pool);
      const MatrixView view = matrix->view();
      matrices_.push_back({key, view, std::move(matrix)});
      places_.emplace(key, next_);
    }
  }
  return matrices_[next_++].view;
}

std::unique_ptr<PanelMatrix> WeightCache::lay(const accel::Ports& ports, const accel::MatrixShape& shape,
                                              const Kernels& kernels, bool compact, Pool& pool) {
  const size_t bytes = PanelMatrix::bytes(shape, compact);
  auto matrix = std::make_unique<PanelMatrix>(shape, compact, arena_.take(bytes));
  std::atomic<bool> fits{true};
  pool.loop(matrix->panels(), 4, [&](uint32_t first, uint32_t last, uint32_t) {
    for (uint32_t panel = first; panel < last && fits; ++panel) {
      if (!matrix->lay(ports, shape, panel, kernels)) fits = false;
    }
  });
  if (fits) return matrix;
  arena_.give_back(bytes);
  return nullptr;
}

}  // namespace accllm::emulator::fast
