#pragma once

#include <cstddef>
#include <cstdint>

#include "panel.hpp"

namespace accllm::emulator::fast {

/// How activations are packed for a product.
enum class Packing {
  /// Signed, for dense codes times one token.
  dense,
  /// Made positive where the level's dot product wants that, in the order of dense chunks.
  dense_biased,
  /// The same in the order of 2:4 chunks.
  sparse_biased,
};

/// The work of one instruction set. All of it is pure computation on the caller's thread.
struct Kernels {
  const char* name;

  /// Packing that `product` wants for a format and a number of tokens.
  Packing (*packing)(uint32_t format, uint32_t tokens);

  /// Packs one token's int8 activations of `groups` groups: codes to [groups][tokens][64] at its token, sums
  /// to [groups][tokens].
  void (*pack)(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens, Packing packing,
               int8_t* codes, int32_t* sums);

  /// Rows of the panels first .. last - 1 times the tokens of the block, as float32 (docs/numerics.md,
  /// "matmul"). `scratch` holds product_scratch_bytes(groups) bytes, aligned to lines.
  void (*product)(const MatrixView& matrix, const BlockView& block, uint32_t first, uint32_t last,
                  const OutputView& output, uint8_t* scratch);
};

/// The levels that this library was compiled with; each in a file of its own with its compiler flags.
extern const Kernels plain_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#elif defined(__aarch64__)
extern const Kernels neon_kernels;
#endif

/// Scratch of `product`: a panel unpacked to bytes, at most two lines a quad of inputs, and its scales.
constexpr size_t product_scratch_bytes(uint32_t groups) {
  return size_t{groups} * (2 * group_inputs / 4 * line_bytes + panel_rows * 4);
}

}  // namespace accllm::emulator::fast
