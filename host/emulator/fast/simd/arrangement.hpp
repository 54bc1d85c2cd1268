#pragma once

#include "block_product.hpp"

/// \file
/// In which order a level wants weights and activations.

namespace accllm::emulator::fast {
namespace {

inline int32_t sum_of_group(const int8_t* activations) {
  int32_t sum = 0;
  for (uint32_t i = 0; i < group_inputs; ++i) sum += activations[i];
  return sum;
}

/// Byte i of a packed chunk is input order[i] and `bias`.
template <class S>
void pack_in_order(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens,
                   const uint8_t (&order)[chunk_inputs], int bias, int8_t* codes, int32_t* sums) {
  using U8 = typename S::U8;
  U8 index;
  for (uint32_t i = 0; i < sizeof(U8); ++i) index[i] = order[i % chunk_inputs];
  const U8 biases = S::fill_bytes(static_cast<uint8_t>(bias));
  for (uint32_t g = 0; g < groups; ++g) {
    int8_t* out = codes + (size_t{g} * tokens + token) * group_inputs;
    const int8_t* in = activations + size_t{g} * group_inputs;
    for (uint32_t i = 0; i < group_inputs; i += sizeof(U8))
      store_as(out + i, S::pick(load_as<U8>(in + i), index) + biases);
    sums[size_t{g} * tokens + token] = sum_of_group(in);
  }
}

/// How a level arranges two-bit panels and packs activations for them. A level may have its own.
template <class S>
struct Arrangement {
  static constexpr decltype(Kernels::arrange) arrange = nullptr;

  static Packing packing(uint32_t format, uint32_t tokens) {
    if (format == accel::weight_format::w2s24) return Packing::sparse_biased;
    return tokens == 1 ? Packing::dense : BlockForm<S>::dense_packing(format);
  }
  static void pack(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens,
                   Packing packing, int8_t* codes, int32_t* sums) {
    // Both orders are transpositions, of 4 x 4 and of 2 x 4 x 2.
    static constexpr uint8_t dense[chunk_inputs] = {0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15};
    static constexpr uint8_t sparse[chunk_inputs] = {0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15};
    const bool is_sparse = packing == Packing::sparse_biased;
    pack_in_order<S>(activations, groups, token, tokens, is_sparse ? sparse : dense,
                     packing == Packing::dense ? 0 : S::bias, codes, sums);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
