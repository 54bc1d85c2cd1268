#pragma once

#include <cstddef>
#include <cstdint>

#include "cache_view.hpp"
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
  /// Signed, in that order.
  sparse,
  /// What one token's 2:4 weights look up, for a level that arranges them.
  kept_tables,
};

/// The work of one instruction set. All of it is pure computation on the caller's thread.
struct Kernels {
  const char* name;

  /// Panels that `product` takes side by side with several tokens: threads share them in such pieces.
  uint32_t block_panels;

  /// Whether it takes compact panels of two-bit weights.
  bool compact;

  /// Brings panel `index`, which was just laid, into the level's own order and notes what it wants to know of
  /// its sets of groups; null where all panels stay as they are laid.
  void (*arrange)(const MatrixView& matrix, uint32_t index, uint8_t* panel, uint8_t* notes);

  /// Packing that `product` wants for a format and a number of tokens.
  Packing (*packing)(uint32_t format, uint32_t tokens);

  /// Packs one token's int8 activations of `groups` groups: codes to [groups][tokens][64] at its token, sums
  /// to [groups][tokens]. There is room for most_tokens, and for one group more.
  void (*pack)(const int8_t* activations, uint32_t groups, uint32_t token, uint32_t tokens, Packing packing,
               int8_t* codes, int32_t* sums);

  /// Rows of the panels first .. last - 1 times the tokens of the block, as float32 (docs/numerics.md,
  /// "matmul"). `scratch` holds product_scratch_bytes bytes, aligned to lines.
  void (*product)(const MatrixView& matrix, const BlockView& block, uint32_t first, uint32_t last,
                  const OutputView& output, uint8_t* scratch);

  /// x = float32 of a row of float16, which lies in whole beats.
  void (*embed)(const uint16_t* row, uint32_t hidden, float* x);
  /// RMSNorm, then int8; `scratch` holds `length` floats. \return whether all values are finite.
  bool (*norm)(const float* x, const float* gain, uint32_t length, float epsilon, float* scratch,
               int8_t* codes, float* scale);
  /// int8 codes, zero up to a whole group. \return whether all values are finite.
  bool (*quantize)(const float* values, uint32_t length, int8_t* codes, float* scale);
  /// g = silu(g) * u.
  void (*silu_mul)(float* g, const float* u, uint32_t length);
  /// x = x + y.
  void (*add)(float* x, const float* y, uint32_t length);
  /// Rotates and quantizes one head's key (less `mean`, unless that is null) and value into the cache.
  /// \return whether both are finite.
  bool (*write_head)(const float* key, const float* value, const float* mean, uint32_t head_dim,
                     bool hadamard, const Rotation& rotation, const SlotView& key_slot,
                     const SlotView& value_slot);
  /// Attention of a few tokens' heads that share a kv head, before the result is quantized. \return whether
  /// the queries are finite.
  bool (*attend)(const AttendView& view);
};

/// The levels that this library was compiled with; each in a file of its own with its compiler flags.
extern const Kernels plain_kernels;
#if defined(__x86_64__)
extern const Kernels avx2_kernels;
extern const Kernels avx512_kernels;
#elif defined(__aarch64__)
extern const Kernels neon_kernels;
#endif

/// Groups that a product of many tokens unpacks at a time: few enough to stay in the first-level cache while
/// all tokens use them.
constexpr uint32_t run_groups = 8;

/// Scratch of `product`: those groups of two panels as bytes, at most two lines a quad of inputs, and four
/// lines of sums for each token of two panels.
constexpr size_t product_scratch_bytes =
    size_t{2} * (run_groups * (2 * group_inputs / 4) + most_tokens * 4) * line_bytes;

}  // namespace accllm::emulator::fast
