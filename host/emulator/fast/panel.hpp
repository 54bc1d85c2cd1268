#pragma once

#include <cstddef>
#include <cstdint>

#include "accllm/generated/format.hpp"

/// \file
/// How the fast engine keeps weights and activations. Plain data: these types cross into the files that are
/// compiled for one instruction set each.
///
/// Weights are re-laid once into panels of sixteen rows, a 32-bit lane a row. A panel holds its groups of 64
/// inputs in sets of four, the last one filled up: first their zero-points (16 bytes a group), then their
/// scales (16 uint16 a group), then their codes in lines of 64 bytes. So all that a product reads lies in the
/// order in which it is read, from one panel to the next. Codes:
/// - dense: a group is 4 chunks of 16 inputs, a chunk 1, 2 or 4 lines (W2, W4, W8). The byte j of a lane
/// belongs
///   to inputs 4j .. 4j+3 of the chunk, as in the image, so that re-laying moves whole 32-bit words: field f
///   of a W2 line is input 4j + f; the low and high nibbles of the two W4 lines are f = 0, 2 and f = 1, 3;
///   the four W8 lines are f = 0, 1, 2, 3. The activations of a chunk are permuted to match: byte 4f + j is
///   input 4j + f.
/// - 2:4: a chunk is one line. Byte j of a lane holds in its low nibble the kept weight j mod 2 of quad j div
/// 2,
///   in its high nibble that of quad 2 + j div 2: bits 1 and 2 the code, bits 3 and 0 the high and low bit of
///   the position. With the quad's number in bits 2 and 1 bits 3 .. 0 index the chunk's activations, which
///   are permuted to match: byte 8 * (p div 2) + 2 * quad + p mod 2 is input p of the quad.
///
/// Two-bit matrices whose scales are all multiples of 256, as our quantizer chooses them, are laid in compact
/// panels for levels that take them (Kernels::compact): before the codes of a set stand its zero codes as
/// nibbles (32 bytes: in byte 2r + k mod 2 that of row r and group k, low for the first two groups) and its
/// scales as bytes, in pairs of groups (32 bytes a pair: in byte 2r + k mod 2 that of row r and group k).
///
/// A level may bring panels into an order of its own (Kernels::arrange).

namespace accllm::emulator::fast {

constexpr uint32_t panel_rows = 16;
constexpr uint32_t line_bytes = 64;
constexpr uint32_t group_inputs = 64;
constexpr uint32_t chunk_inputs = 16;
constexpr uint32_t chunks = group_inputs / chunk_inputs;
/// Tokens that a product takes at most: three jobs', for which panels are unpacked once. Four jobs'
/// activations leave no room in the first-level cache.
constexpr uint32_t most_tokens = 48;
constexpr uint32_t set_groups = 4;

/// Whether a format's codes have two bits.
constexpr bool two_bit(uint32_t format) {
  return format == accel::weight_format::w2 || format == accel::weight_format::w2s24;
}

/// Where a group's parts start, in bytes from the start of its panel.
struct GroupPlace {
  size_t zeros;
  size_t scales;
  size_t codes;
};

// Internal linkage, as all that is compiled for several instruction sets.
namespace {

constexpr size_t set_scales_at = set_groups * panel_rows;
constexpr size_t set_codes_at = set_scales_at + set_groups * panel_rows * 2;

constexpr size_t set_bytes(size_t group_bytes) { return set_codes_at + set_groups * group_bytes; }

constexpr uint32_t set_count(uint32_t groups) { return (groups + set_groups - 1) / set_groups; }

/// Place of a group whose codes are `group_bytes` bytes.
constexpr GroupPlace place_of(size_t group_bytes, uint32_t group) {
  const size_t set = group / set_groups * set_bytes(group_bytes);
  const size_t in_set = group % set_groups;
  return {set + in_set * panel_rows, set + set_scales_at + in_set * panel_rows * 2,
          set + set_codes_at + in_set * group_bytes};
}

constexpr size_t compact_scales_at = 2 * panel_rows;
constexpr size_t compact_codes_at = compact_scales_at + set_groups * panel_rows;
constexpr size_t two_bit_group_bytes = size_t{chunks} * line_bytes;
constexpr size_t compact_set_bytes = compact_codes_at + set_groups * two_bit_group_bytes;
/// What fits a compact panel: multiples of this as scales, and zero codes up to this.
constexpr uint32_t compact_scale_unit = 256;
constexpr uint32_t compact_most_zero = 15;

/// Place of a group in a compact panel: its set's zero codes, its pair's scales, its codes.
constexpr GroupPlace compact_place_of(uint32_t group) {
  const size_t set = group / set_groups * compact_set_bytes;
  const uint32_t in_set = group % set_groups;
  return {set, set + compact_scales_at + in_set / 2 * (2 * panel_rows),
          set + compact_codes_at + in_set * two_bit_group_bytes};
}

/// Place of a group of two-bit weights in a compact panel or another.
template <bool compact>
constexpr GroupPlace two_bit_place_of(uint32_t group) {
  return compact ? compact_place_of(group) : place_of(two_bit_group_bytes, group);
}

}  // namespace

/// A matrix in panels. Rows past the matrix have codes and scales 0.
struct MatrixView {
  const uint8_t* panels;
  size_t panel_bytes;
  /// Of a set of groups.
  size_t set_bytes;
  /// Bytes of a group's codes: 1, 2 or 4 lines a chunk.
  size_t group_bytes;
  /// Whether the panels are compact.
  bool compact;
  uint32_t rows;
  uint32_t groups;
  /// As in weight_format of the generated header.
  uint32_t format;
  /// [rows, padded to panels]: e of each row.
  const int8_t* exponents;
  /// [rows, padded to panels]: sum over all weights of m * (2c - zh). What adding a constant to every
  /// activation adds to the row.
  const int64_t* weight_sums;
  /// [panels][sets of groups]: what a level that has its own order notes of a set.
  const uint8_t* notes;
};

/// Where a group's parts start in the panels of a matrix.
inline GroupPlace place_of(const MatrixView& m, uint32_t group) {
  return m.compact ? compact_place_of(group) : place_of(m.group_bytes, group);
}

/// Activations of a block of tokens, packed for one kind of matrix.
struct BlockView {
  /// [groups][tokens][64], each chunk permuted.
  const int8_t* codes;
  /// [groups][tokens]: sums of the group's activations.
  const int32_t* sums;
  /// [tokens].
  const float* scales;
  uint32_t tokens;
};

/// Where the product goes: row r of token t to data[t * stride + r].
struct OutputView {
  float* data;
  size_t stride;
};

}  // namespace accllm::emulator::fast
