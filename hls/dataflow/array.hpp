#pragma once

#include "kernels/matmul.hpp"
#include "multiplier.hpp"
#include "region.hpp"
#include "tokens.hpp"

/// \file
/// The array behind one weight channel: 128 multipliers of two codes by two activations. A beat is four rows
/// of 64 weights (dense, one plane) or 32 kept ones (2:4); it is decoded once and meets the tokens of the
/// block two by two. A packed multiplier gives four products of a dense beat (two rows, two tokens) and the
/// two on the diagonal of a 2:4 beat (two weights, each with an activation of its own).

namespace accel::dataflow {

/// Widths of the datapath (docs/numerics.md gives the bounds).
struct Width {
  static constexpr uint64_t activation = 127;
  static constexpr uint64_t plane_sum = 3 * activation * group_size;
  static constexpr uint64_t group_sum = 510 * activation * group_size;
  static constexpr uint64_t row_sum = group_sum * 65535 * 512;
  static constexpr int plane = signed_bits(plane_sum);
  static constexpr int group = signed_bits(group_sum);
};
static_assert(Width::plane == 16, "a plane's sum of 64 products fits 16 bits");
static_assert(Width::group == 23,
              "a group's sum fits 23 bits: with 16 bits of scale, one 27 x 18 multiplier");
static_assert(signed_bits(Width::row_sum) <= 48, "a row's sum fits a DSP48E2's accumulator");
static_assert(limit::columns / group_size == 512, "the bound of a row's sum counts 512 groups");

/// 64 activations of two tokens and their sums.
struct ActivationPair {
  int8_t a[2][group_size];
  int32_t sum[2];
};

inline void unpack_activations(const Beat& beat, int8_t* a, int32_t& sum) {
#pragma HLS INLINE
  sum = 0;
  for (uint32_t i = 0; i < group_size; ++i) {
#pragma HLS UNROLL
    a[i] = static_cast<int8_t>(get_bits(beat, 8 * i, 8));
    sum += a[i];
  }
}

/// Group sums of four rows and two tokens: sum of (2c - zh) a.
template <class Numbers>
struct GroupSums {
  typename Numbers::template Int<Width::group> sum[tile_rows][2];
};

/// A dense group. Rows 0 and 1, and 2 and 3, share multipliers.
template <class Numbers, class Multiplier>
void multiply_dense(const Beat* planes, uint32_t plane_count, const int32_t* zero_half,
                    const ActivationPair& x, GroupSums<Numbers>& out) {
  int32_t total[tile_rows][2] = {};
#pragma HLS ARRAY_PARTITION variable = total complete dim = 0
  for (uint32_t plane = 0; plane < plane_count; ++plane) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 4
    for (uint32_t row = 0; row < tile_rows; row += 2) {
#pragma HLS UNROLL
      typename Numbers::template Int<Width::plane> sum[2][2];
      for (uint32_t r = 0; r < 2; ++r) {
        for (uint32_t t = 0; t < 2; ++t) sum[r][t] = 0;
      }
      for (uint32_t i = 0; i < group_size; ++i) {
#pragma HLS UNROLL
        const uint32_t w0 = get_bits(planes[plane], row * unit_bits + 2 * i, 2);
        const uint32_t w1 = get_bits(planes[plane], (row + 1) * unit_bits + 2 * i, 2);
        const PackedProducts p = Multiplier::products(w0, w1, x.a[0][i], x.a[1][i]);
        sum[0][0] = sum[0][0] + p.w0_a0;
        sum[0][1] = sum[0][1] + p.w0_a1;
        sum[1][0] = sum[1][0] + p.w1_a0;
        sum[1][1] = sum[1][1] + p.w1_a1;
      }
      for (uint32_t r = 0; r < 2; ++r) {
        for (uint32_t t = 0; t < 2; ++t) {
          total[row + r][t] += static_cast<int32_t>(sum[r][t]) * (1 << (2 * plane + 1));
        }
      }
    }
  }
  for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
    for (uint32_t t = 0; t < 2; ++t) out.sum[row][t] = total[row][t] - zero_half[row] * x.sum[t];
  }
}

/// A 2:4 group: the decoder of positions selects 32 of 64 activations for each row.
template <class Numbers, class Multiplier>
void multiply_sparse(const SparseUnit (&units)[tile_rows], const ActivationPair& x, GroupSums<Numbers>& out) {
  for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
    for (uint32_t t = 0; t < 2; ++t) {
#pragma HLS UNROLL
      typename Numbers::template Int<Width::plane> products = 0;
      typename Numbers::template Int<Width::plane> kept = 0;
      for (uint32_t i = 0; i < kept_per_group; i += 2) {
#pragma HLS UNROLL
        const int8_t a0 = x.a[t][units[row].input[i]];
        const int8_t a1 = x.a[t][units[row].input[i + 1]];
        const PackedProducts p = Multiplier::products(units[row].code[i], units[row].code[i + 1], a0, a1);
        products = products + p.w0_a0 + p.w1_a1;
        kept = kept + a0 + a1;
      }
      out.sum[row][t] =
          2 * static_cast<int32_t>(products) - units[row].zero_half * static_cast<int32_t>(kept);
    }
  }
}

/// Receives the activations of a group for all tokens and passes them on.
template <class C, class In, class Out>
void take_activations(uint32_t tokens, In& in, Out* out, ActivationPair (&x)[(C::block_tokens + 1) / 2]) {
  for (uint32_t t = 0; t < tokens; ++t) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 16
    const Beat beat = in.read();
    if (out != nullptr) out->write(beat);
    unpack_activations(beat, x[t / 2].a[t % 2], x[t / 2].sum[t % 2]);
  }
}

/// Works off matrices until the chain says stop. `out` is the next array's end of the chain, null in the
/// last.
template <class C, class Numbers, class Multiplier, class In, class Out, class Weights, class Sums>
void run_array(In& in, Out* out, Weights& weights, Sums& sums) {
  for (;;) {
    const Beat head = in.read();
    if (out != nullptr) out->write(head);
    const ArrayJob job = ArrayJob::from(head);
    if (job.stop) return;
    const bool sparse = job.format == weight_format::w2s24;
    const uint32_t planes = static_cast<uint32_t>(format_planes[job.format & 3]);
    const uint32_t zero_shift = static_cast<uint32_t>(format_zero_shift[job.format & 3]);
    Beat exponents = zero_beat();
    for (uint32_t tile = 0; tile < job.tiles; ++tile) {
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2048
      if (tile % tiles_per_exponent_beat == 0) exponents = weights.read();
      // Zeroed one by one: AMD's integers do not start at zero, whatever the braces say.
      typename Numbers::template Int<48> sum[C::block_tokens + 1][tile_rows];
#pragma HLS ARRAY_PARTITION variable = sum complete dim = 2
      for (uint32_t t = 0; t < C::block_tokens + 1; ++t) {
#pragma HLS UNROLL
        for (uint32_t row = 0; row < tile_rows; ++row) sum[t][row] = 0;
      }
      Beat scales = zero_beat();
      for (uint32_t group = 0; group < job.groups; ++group) {
#pragma HLS LOOP_TRIPCOUNT min = 32 max = 512
        ActivationPair x[(C::block_tokens + 1) / 2] = {};
        take_activations<C>(job.tokens, in, out, x);
        const uint32_t in_run = group % groups_per_scale_beat;
        if (!sparse && in_run == 0) scales = weights.read();
        Beat planes_of_group[4];
        for (uint32_t p = 0; p < planes; ++p) planes_of_group[p] = weights.read();
        SparseUnit units[tile_rows];
        int32_t scale[tile_rows];
        int32_t zero_half[tile_rows];
        for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
          if (sparse) {
            decode_sparse(planes_of_group[0], row, units[row]);
            scale[row] = units[row].scale;
          } else {
            const uint32_t entry = in_run * tile_rows + row;
            scale[row] = static_cast<int32_t>(get_bits(scales, 16 * entry, 16));
            zero_half[row] = static_cast<int32_t>(get_bits(scales, 384 + 5 * entry, 5) << zero_shift);
          }
        }
        for (uint32_t pair = 0; 2 * pair < job.tokens; ++pair) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 8
          GroupSums<Numbers> found;
          if (sparse) {
            multiply_sparse<Numbers, Multiplier>(units, x[pair], found);
          } else {
            multiply_dense<Numbers, Multiplier>(planes_of_group, planes, zero_half, x[pair], found);
          }
          for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
            for (uint32_t t = 0; t < 2; ++t) {
              sum[2 * pair + t][row] =
                  sum[2 * pair + t][row] + static_cast<int64_t>(found.sum[row][t]) * scale[row];
            }
          }
        }
      }
      for (uint32_t t = 0; t < job.tokens; ++t) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 16
        TileSum<Numbers> found;
        for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
          found.sum[row] = sum[t][row];
          found.exponent[row] = static_cast<int8_t>(
              get_bits(exponents, 8 * ((tile % tiles_per_exponent_beat) * tile_rows + row), 8));
        }
        sums.write(found);
      }
    }
  }
}

}  // namespace accel::dataflow
