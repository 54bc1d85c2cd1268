#pragma once

#include "fast/kernels.hpp"

namespace accllm::emulator::fast {

/// The AVX-512 level with its instructions in plain C++; for tests, on any x86-64 machine with AVX2.
extern const Kernels avx512_software_kernels;

}  // namespace accllm::emulator::fast
