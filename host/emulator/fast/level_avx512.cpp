#include "kernels.hpp"
#include "simd/avx512_block.hpp"
#include "simd/avx512_keys.hpp"
#include "simd/avx512_token.hpp"
#include "simd/avx512_two_bit.hpp"
#include "simd/avx512_values.hpp"
#include "simd/level.hpp"

namespace accllm::emulator::fast {

const Kernels avx512_kernels = kernels_of<Avx512>("avx512");

}  // namespace accllm::emulator::fast
