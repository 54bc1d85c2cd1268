#include "kernels.hpp"
#include "simd/plain.hpp"
#include "simd/level.hpp"

namespace accllm::emulator::fast {

const Kernels plain_kernels = kernels_of<Plain>("plain");

}  // namespace accllm::emulator::fast
