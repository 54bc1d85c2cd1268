#pragma once

#include <cstddef>
#include <cstdint>

/// \file
/// How the fast engine keeps weights and activations. Plain data: these types cross into the files that are
/// compiled for one instruction set each.
///
/// Weights are re-laid once into panels of sixteen rows, a 32-bit lane a row. A panel holds, for all its
/// groups of 64 inputs, first the zero-points (16 bytes a group), then the scales (16 uint16 a group), then
/// the codes in lines of 64 bytes:
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

namespace accllm::emulator::fast {

constexpr uint32_t panel_rows = 16;
constexpr uint32_t line_bytes = 64;
constexpr uint32_t group_inputs = 64;
constexpr uint32_t chunk_inputs = 16;
constexpr uint32_t chunks = group_inputs / chunk_inputs;
constexpr uint32_t most_tokens = 16;

/// A matrix in panels. Rows past the matrix have codes and scales 0.
struct MatrixView {
  const uint8_t* panels;
  size_t panel_bytes;
  /// Where the scales and the codes of a panel start.
  size_t scales_at;
  size_t codes_at;
  /// Lines of codes a chunk.
  uint32_t chunk_lines;
  uint32_t rows;
  uint32_t groups;
  /// As in weight_format of the generated header.
  uint32_t format;
  /// [rows, padded to panels]: e of each row.
  const int8_t* exponents;
  /// [rows, padded to panels]: sum over all weights of m * (2c - zh). What adding a constant to every
  /// activation adds to the row.
  const int64_t* weight_sums;
};

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
