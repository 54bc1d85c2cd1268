#include "kernels.hpp"
#include "simd/neon.hpp"
#include "simd/level.hpp"

namespace accllm::emulator::fast {

const Kernels neon_kernels = kernels_of<Neon>("neon");

}  // namespace accllm::emulator::fast
