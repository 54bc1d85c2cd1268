#include "kernels.hpp"
#include "simd/avx2_activations.hpp"
#include "simd/avx2_block.hpp"
#include "simd/avx2_exponential.hpp"
#include "simd/avx2_keys.hpp"
#include "simd/avx2_means.hpp"
#include "simd/avx2_product.hpp"
#include "simd/avx2_quantize.hpp"
#include "simd/avx2_two_bit_block.hpp"
#include "simd/avx2_values.hpp"
#include "simd/level.hpp"

namespace accllm::emulator::fast {

const Kernels avx2_kernels = kernels_of<Avx2>("avx2");

}  // namespace accllm::emulator::fast
