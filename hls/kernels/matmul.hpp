#pragma once

#include "accllm/activations.hpp"
#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"

/// \file
/// Matrix times a block of int8 activations (docs/numerics.md, "matmul"): dense planes of two bits, or 2:4.
/// Every beat is read once and used for all tokens of the block. Sums are integers, so their order is free.

namespace accel {

/// Row sums of a tile for the tokens of a block.
struct TileSums {
  int64_t sum[limit::block_tokens][tile_rows];
};

constexpr uint32_t unit_bits = 128;
constexpr uint32_t kept_per_group = group_size / 2;

/// A 2:4 unit, decoded: the kept codes and which input each belongs to.
struct SparseUnit {
  uint8_t code[kept_per_group];
  uint8_t input[kept_per_group];
  int32_t zero_half;
  int32_t scale;

  /// Doubled code less 2z.
  int32_t weight(uint32_t i) const { return 2 * code[i] - zero_half; }
};

inline void decode_sparse(const Beat& beat, uint32_t lane, SparseUnit& unit) {
  constexpr uint32_t quads = group_size / 4;
  const uint32_t base = lane * unit_bits;
  unit.zero_half = static_cast<int32_t>(get_bits(beat, base + 108, 4));
  unit.scale = static_cast<int32_t>(get_bits(beat, base + 112, 16));
  for (uint32_t quad = 0; quad < quads; ++quad) {
#pragma HLS UNROLL
    const uint32_t triple = get_bits(beat, base + 64 + 8 * (quad / 3), 8);
    const uint32_t place = quad % 3;
    const uint32_t digit = place == 0 ? triple % 6 : (place == 1 ? triple / 6 % 6 : triple / 36 % 6);
    // The sixteenth quad stands alone in three bits; codes 6 and 7 do not occur in a valid image.
    const uint32_t pattern = quad == quads - 1 ? get_bits(beat, base + 104, 3) % 6 : digit;
    for (uint32_t j = 0; j < 2; ++j) {
#pragma HLS UNROLL
      const uint32_t index = 2 * quad + j;
      unit.code[index] = static_cast<uint8_t>(get_bits(beat, base + 2 * index, 2));
      unit.input[index] = static_cast<uint8_t>(4 * quad + keep_patterns[pattern][j]);
    }
  }
}

inline void add_sparse_tile(const Beat* tile, const MatrixShape& m, const Activations& act,
                            uint32_t first_token, uint32_t tokens, TileSums& sums) {
  for (uint32_t group = 0; group < m.groups; ++group) {
    const Beat beat = tile[group];
    for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
      SparseUnit unit;
      decode_sparse(beat, row, unit);
      for (uint32_t t = first_token; t < tokens; ++t) {
#pragma HLS PIPELINE II = 1
        const int8_t* a = act.a[t] + group * group_size;
        int32_t dot = 0;
        for (uint32_t i = 0; i < kept_per_group; ++i) dot += unit.weight(i) * a[unit.input[i]];
        sums.sum[t][row] += static_cast<int64_t>(dot) * unit.scale;
      }
    }
  }
}

inline void add_dense_tile(const Beat* tile, const MatrixShape& m, const Activations& act,
                           uint32_t first_token, uint32_t tokens, TileSums& sums) {
  uint32_t at = 0;
  Beat scales = zero_beat();
  for (uint32_t group = 0; group < m.groups; ++group) {
    const uint32_t in_run = group % groups_per_scale_beat;
    if (in_run == 0) scales = tile[at++];
    for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
      const uint32_t entry = in_run * tile_rows + row;
      const int32_t scale = static_cast<int32_t>(get_bits(scales, 16 * entry, 16));
      const int32_t zero_half =
          static_cast<int32_t>(get_bits(scales, 384 + 5 * entry, 5) << format_zero_shift[m.format]);
      int16_t weight[group_size];
      for (uint32_t i = 0; i < group_size; ++i) weight[i] = static_cast<int16_t>(-zero_half);
      for (uint32_t plane = 0; plane < m.planes; ++plane) {
        const Beat& beat = tile[at + plane];
        for (uint32_t i = 0; i < group_size; ++i) {
          const int32_t code = static_cast<int32_t>(get_bits(beat, row * unit_bits + 2 * i, 2));
          weight[i] = static_cast<int16_t>(weight[i] + (code << (2 * plane + 1)));
        }
      }
      for (uint32_t t = first_token; t < tokens; ++t) {
#pragma HLS PIPELINE II = 1
        const int8_t* a = act.a[t] + group * group_size;
        int32_t dot = 0;
        for (uint32_t i = 0; i < group_size; ++i) dot += weight[i] * a[i];
        sums.sum[t][row] += static_cast<int64_t>(dot) * scale;
      }
    }
    at += m.planes;
  }
}

/// Calls store(token, row, value) for every row of the matrix and every token first_token .. tokens - 1.
template <class Store>
void matmul(const Ports& ports, const MatrixShape& m, const Activations& act, uint32_t first_token,
            uint32_t tokens, Store store) {
  for (uint32_t tile = 0; tile < m.tiles; ++tile) {
    const uint32_t run = tile / tiles_per_exponent_beat;
    const uint32_t in_run = tile % tiles_per_exponent_beat;
    const uint32_t exponents_at = m.offset + run * (tiles_per_exponent_beat * m.tile_beats + 1);
    const uint32_t tile_at = exponents_at + 1 + in_run * m.tile_beats;
    for (uint32_t channel = 0; channel < max_weight_channels; ++channel) {
#pragma HLS UNROLL
      const uint32_t row0 = (tile * ports.weight_channels + channel) * tile_rows;
      if (channel >= ports.weight_channels || row0 >= m.rows) continue;
      TileSums sums = {};
      const Beat* weights = ports.weight[channel];
      if (m.sparse) {
        add_sparse_tile(weights + tile_at, m, act, first_token, tokens, sums);
      } else {
        add_dense_tile(weights + tile_at, m, act, first_token, tokens, sums);
      }
      const Beat exponents = weights[exponents_at];
      for (uint32_t row = 0; row < tile_rows && row0 + row < m.rows; ++row) {
        const auto e = static_cast<int8_t>(get_bits(exponents, 8 * (in_run * tile_rows + row), 8));
        for (uint32_t t = first_token; t < tokens; ++t) {
          const float scale = act.a_scale[t] * power_of_two(e - 1);
          store(t, row0 + row, static_cast<float>(sums.sum[t][row]) * scale);
        }
      }
    }
  }
}

}  // namespace accel
