#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"
#include "kernels.hpp"
#include "panel.hpp"

namespace accllm::emulator::fast {

/// Memory aligned to cache lines, not initialized.
class AlignedBytes {
 public:
  explicit AlignedBytes(size_t bytes);
  ~AlignedBytes();
  AlignedBytes(const AlignedBytes&) = delete;
  AlignedBytes& operator=(const AlignedBytes&) = delete;
  uint8_t* data() const { return data_; }

 private:
  uint8_t* data_;
};

/// A matrix of the image in the fast engine's own layout (panel.hpp). Panels are laid one by one, on any
/// thread.
class PanelMatrix {
 public:
  /// Bytes that the panels of a matrix take, compact or not.
  static size_t bytes(const accel::MatrixShape& shape, bool compact);
  /// The panels go to `place`, which is aligned to lines.
  PanelMatrix(const accel::MatrixShape& shape, bool compact, uint8_t* place);
  uint32_t panels() const { return panels_; }
  /// Lays panel `index` from the image's layout in the weight channels, as the level wants it.
  /// \return false where its scales or zero codes do not fit a compact panel; it is of no use then.
  bool lay(const accel::Ports& ports, const accel::MatrixShape& shape, uint32_t index,
           const Kernels& kernels);
  MatrixView view() const;

 private:
  /// Puts the zero code and the scale of row `lane` of a panel in their places. \return whether they fit.
  bool put_grid(uint8_t* panel, uint32_t lane, uint32_t group, uint32_t zero, uint32_t scale) const;

  uint32_t panels_;
  MatrixView view_;
  uint8_t* place_;
  std::vector<int8_t> exponents_;
  std::vector<int64_t> weight_sums_;
  std::vector<uint8_t> notes_;
};

}  // namespace accllm::emulator::fast
