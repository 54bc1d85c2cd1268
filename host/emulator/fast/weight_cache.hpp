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

/// Memory for panels, handed out piece behind piece: matrices lie in the order of their first use, which is
/// that of their use, so that whoever reads ahead over the end of one finds the next; and small ones share
/// large pages.
class PanelArena {
 public:
  /// Bytes aligned to lines, not initialized, until the next clear().
  uint8_t* take(size_t bytes);
  /// Takes back what was taken last.
  void give_back(size_t bytes);
  void clear() { chunks_.clear(); }

 private:
  struct Chunk {
    std::unique_ptr<AlignedBytes> bytes;
    size_t size;
    size_t used;
  };
  std::vector<Chunk> chunks_;
};

/// Re-laid matrices of the weight buffers that are bound at present, each laid when it is first used.
class WeightCache {
 public:
  /// Forgets all matrices if these are other buffers than the last time, or were written since.
  void bind(const std::vector<PortMemory>& weights);
  MatrixView matrix(const accel::Ports& ports, const accel::MatrixShape& shape, const Kernels& kernels,
                    Pool& pool);

 private:
  /// Offset, rows, groups and format: they say where a matrix lies and what it means.
  using Key = std::tuple<uint32_t, uint32_t, uint32_t, uint32_t>;

  /// The matrix in compact panels or others; null where it does not fit compact ones.
  std::unique_ptr<PanelMatrix> lay(const accel::Ports& ports, const accel::MatrixShape& shape,
                                   const Kernels& kernels, bool compact, Pool& pool);

  /// A matrix with what is asked for at each use.
  struct Laid {
    Key key;
    MatrixView view;
    std::unique_ptr<PanelMatrix> matrix;
  };

  std::vector<PortMemory> weights_;
  PanelArena arena_;
  /// In the order of their first use, and where each is.
  std::vector<Laid> matrices_;
  std::map<Key, size_t> places_;
  /// The one behind that which was used last: nearly always the next, found without a search through memory
  /// that a token's weights have driven out of the caches.
  size_t next_ = 0;
};

}  // namespace accllm::emulator::fast
