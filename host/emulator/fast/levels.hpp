#pragma once

#include <vector>

#include "kernels.hpp"

namespace accllm::emulator::fast {

/// A level, and whether this machine can execute it.
struct Level {
  const Kernels* kernels;
  bool available;
};

/// Levels of this architecture, the fastest first; the last is always available.
std::vector<Level> levels();

/// The fastest available level, or the one that ACCLLM_EMU_SIMD names (avx512, avx2, neon, plain) where
/// available.
const Kernels& chosen_kernels();

}  // namespace accllm::emulator::fast
