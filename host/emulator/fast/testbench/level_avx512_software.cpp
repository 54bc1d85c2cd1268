#include "avx512_software.hpp"
// What the level includes must find the intrinsics above first.
#include "fast/simd/avx512_block.hpp"
#include "fast/simd/avx512_keys.hpp"
#include "fast/simd/avx512_token.hpp"
#include "fast/simd/avx512_two_bit.hpp"
#include "fast/simd/avx512_values.hpp"
#include "fast/simd/level.hpp"
#include "level_avx512_software.hpp"

namespace accllm::emulator::fast {

const Kernels avx512_software_kernels = kernels_of<Avx512>("avx512 in software");

}  // namespace accllm::emulator::fast
