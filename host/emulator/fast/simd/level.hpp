#pragma once

#include "arrangement.hpp"
#include "attend.hpp"
#include "elementwise.hpp"

/// \file
/// The table of one level's functions.

namespace accllm::emulator::fast {
namespace {

template <class S, uint32_t format>
void product_of(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
                const OutputView& output, uint8_t* scratch) {
  if (block.tokens > 1)
    BlockProduct<S>::template multiply<format>(m, block, first, last, output, scratch);
  else
    TokenProduct<S>::template multiply<format>(m, block, first, last, output.data);
}

template <class S>
void product(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
             const OutputView& output, uint8_t* scratch) {
  switch (m.format) {
    case accel::weight_format::w2s24:
      return product_of<S, accel::weight_format::w2s24>(m, block, first, last, output, scratch);
    case accel::weight_format::w2:
      return product_of<S, accel::weight_format::w2>(m, block, first, last, output, scratch);
    case accel::weight_format::w4:
      return product_of<S, accel::weight_format::w4>(m, block, first, last, output, scratch);
    default:
      return product_of<S, accel::weight_format::w8>(m, block, first, last, output, scratch);
  }
}

template <class S>
constexpr Kernels kernels_of(const char* name) {
  using A = Arrangement<S>;
  return {name,          BlockProduct<S>::panels,
          A::compact,    A::arrange,
          A::packing,    A::pack,
          product<S>,    embed<S>,
          norm<S>,       quantize<S>,
          silu_mul<S>,   add<S>,
          write_head<S>, attend<S>};
}

}  // namespace
}  // namespace accllm::emulator::fast
