#include "kernels.hpp"
#include "simd/avx512.hpp"
#include "simd/level.hpp"

namespace accllm::emulator::fast {

const Kernels avx512_kernels = kernels_of<Avx512>("avx512");

}  // namespace accllm::emulator::fast
