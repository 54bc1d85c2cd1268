#pragma once

#include "block_product.hpp"

/// \file
/// In which order a level wants weights and activations.

namespace accllm::emulator::fast {
namespace {

template <class S>
Packing common_packing(uint32_t format, uint32_t tokens) {
  if (format == accel::weight_format::w2s24) return Packing::sparse_biased;
  return tokens == 1 ? Packing::dense : BlockForm<S>::dense_packing(format);
}

template <class S>
void common_pack(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens, Packing packing,
                 int8_t* codes, int32_t* sums) {
  // Byte i of a packed chunk is input order[i]; both orders are transpositions of 4 x 4 or 2 x 4 x 2.
  static constexpr uint8_t dense[chunk_inputs] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
  static constexpr uint8_t sparse[chunk_inputs] = {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
  using U8 = typename S::U8;
  const bool kept = packing == Packing::sparse || packing == Packing::sparse_biased;
  const bool biased = packing == Packing::dense_biased || packing == Packing::sparse_biased;
  const uint8_t* order = kept ? sparse : dense;
  U8 index;
  for (uint32_t i = 0; i < sizeof(U8); ++i) index[i] = order[i % chunk_inputs];
  const U8 bias = S::fill_bytes(biased ? S::bias : 0);
  for (uint32_t g = 0; g < groups; ++g) {
    int8_t* out = codes + (size_t{g} * tokens + token) * group_inputs;
    const int8_t* in = activations + size_t{g} * group_inputs;
    for (uint32_t i = 0; i < group_inputs; i += sizeof(U8))
      store_as(out + i, S::pick(load_as<U8>(in + i), index) + bias);
    int32_t sum = 0;
    for (uint32_t i = 0; i < group_inputs; ++i) sum += in[i];
    sums[size_t{g} * tokens + token] = sum;
  }
}

/// How a level arranges panels and packs activations. A level may have its own.
template <class S>
struct Arrangement {
  static constexpr bool compact = false;
  static constexpr decltype(Kernels::arrange) arrange = nullptr;
  static constexpr decltype(Kernels::packing) packing = common_packing<S>;
  static constexpr decltype(Kernels::pack) pack = common_pack<S>;
};

}  // namespace
}  // namespace accllm::emulator::fast
