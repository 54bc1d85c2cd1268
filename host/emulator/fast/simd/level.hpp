#pragma once

#include "arrangement.hpp"
#include "attend.hpp"
#include "elementwise.hpp"

/// \file
/// The table of one level's functions.

namespace accllm::emulator::fast {
namespace {

template <class S>
void product(const MatrixView& m, const BlockView& block, uint32_t first, uint32_t last,
             const OutputView& output, uint8_t* scratch) {
  if (block.tokens > 1) return BlockProduct<S>::multiply(m, block, first, last, output, scratch);
  TokenProduct<S>::multiply(m, block, first, last, output.data);
}

template <class S>
constexpr Kernels kernels_of(const char* name) {
  using A = Arrangement<S>;
  return {name,        BlockProduct<S>::panels,
          A::arrange,  A::packing,
          A::pack,     product<S>,
          embed<S>,    norm<S>,
          quantize<S>, silu_mul<S>,
          add<S>,      write_head<S>,
          attend<S>};
}

}  // namespace
}  // namespace accllm::emulator::fast
