#pragma once

#include "bank.hpp"
#include "kernels/matmul.hpp"
#include "lane.hpp"
#include "region.hpp"
#include "tokens.hpp"

/// \file
/// The array behind one weight channel, and the attention lane of the same number: two banks of 64
/// multipliers, each four groups of sixteen.
///
/// Matrices: a beat is four rows of 64 weights (dense, one plane) or 32 kept ones (2:4), a beat a clock.
/// 2:4: group g takes row g; a multiplier takes the two kept weights of four and the activations that their
/// positions choose. Bank 0 works on one token, bank 1 on the next. Dense: a multiplier takes one column of
/// two rows, group g the columns 4 q + g, which the same choice of one of four activations reaches. Bank 0
/// takes rows 0 and 1, bank 1 rows 2 and 3, both of the same token. Of the four products of a multiplier the
/// two on the diagonal count, w0 a0 and w1 a1. Attention (lane.hpp): bank 0 takes the codes of the cache.

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

/// Tokens that a beat meets in one clock.
constexpr uint32_t tokens_at_once(bool sparse) { return sparse ? 2 : 1; }

/// 64 activations for each bank: two tokens, or one token twice.
struct ActivationPair {
  int8_t a[2][group_size];
};

inline ActivationPair unpack_activations(const ChainBeat& beat) {
#pragma HLS INLINE
  ActivationPair x;
  for (uint32_t t = 0; t < 2; ++t) {
#pragma HLS UNROLL
    for (uint32_t i = 0; i < group_size; ++i) {
#pragma HLS UNROLL
      x.a[t][i] = static_cast<int8_t>(get_bits(beat.token[t], 8 * i, 8));
    }
  }
  return x;
}

/// What a clock makes of a beat: for each row and token the sum of code x activation, and the sum of the
/// activations that its zero-point counts for. A dense beat has one token.
template <class Numbers>
struct PlaneSums {
  typename Numbers::template Int<Width::plane> products[tile_rows][2];
  typename Numbers::template Int<Width::plane> activations[tile_rows][2];
};

/// One clock of a matrix. `units` are the decoded rows of a 2:4 beat.
template <class Numbers, class SecondMultiplier>
void multiply_beat(bool sparse, const Beat& beat, const SparseUnit (&units)[tile_rows],
                   const ActivationPair& x, PlaneSums<Numbers>& out) {
#pragma HLS INLINE
  CodeOperands operands[2];
  for (uint32_t bank = 0; bank < 2; ++bank) {
#pragma HLS UNROLL
    for (uint32_t i = 0; i < bank_multipliers; ++i) {
#pragma HLS UNROLL
      const uint32_t group = i / group_multipliers;
      const uint32_t quad = i % group_multipliers;
      const SparseUnit& unit = units[group];
      const uint32_t column = 4 * quad + group;
      const uint32_t row = 2 * bank;
      CodeOperands& to = operands[bank];
      to.w0[i] = sparse ? unit.code[2 * quad]
                        : static_cast<uint8_t>(get_bits(beat, row * unit_bits + 2 * column, 2));
      to.w1[i] = sparse ? unit.code[2 * quad + 1]
                        : static_cast<uint8_t>(get_bits(beat, (row + 1) * unit_bits + 2 * column, 2));
      to.a0[i] = x.a[bank][sparse ? unit.input[2 * quad] : column];
      to.a1[i] = x.a[bank][sparse ? unit.input[2 * quad + 1] : column];
    }
  }
  CodeResults results[2];
  dsp_code_bank(operands[0], results[0]);
  code_bank<SecondMultiplier>(operands[1], results[1]);
  for (uint32_t bank = 0; bank < 2; ++bank) {
#pragma HLS UNROLL
    typename Numbers::template Int<Width::plane> rows[2] = {0, 0};
    typename Numbers::template Int<Width::plane> twice = 0;
    for (uint32_t group = 0; group < tile_rows; ++group) {
#pragma HLS UNROLL
      typename Numbers::template Int<Width::plane> sum0 = 0;
      typename Numbers::template Int<Width::plane> sum1 = 0;
      typename Numbers::template Int<Width::plane> kept = 0;
      for (uint32_t q = 0; q < group_multipliers; ++q) {
#pragma HLS UNROLL
        const uint32_t i = group * group_multipliers + q;
        sum0 = sum0 + results[bank].p[i].w0_a0;
        sum1 = sum1 + results[bank].p[i].w1_a1;
        kept = kept + operands[bank].a0[i] + operands[bank].a1[i];
      }
      if (sparse) {
        out.products[group][bank] = sum0 + sum1;
        out.activations[group][bank] = kept;
      }
      rows[0] = rows[0] + sum0;
      rows[1] = rows[1] + sum1;
      twice = twice + kept;
    }
    if (!sparse) {
      for (uint32_t r = 0; r < 2; ++r) {
#pragma HLS UNROLL
        out.products[2 * bank + r][0] = rows[r];
        out.products[2 * bank + r][1] = 0;
        // Both operands of a dense multiplier are the same activation.
        out.activations[2 * bank + r][0] = twice / 2;
        out.activations[2 * bank + r][1] = 0;
      }
    }
  }
}

/// One matrix. A single loop, so that nothing is drained between groups or tiles: a beat of weights a clock
/// while a block has no more tokens than a beat meets at once, else a beat in as many clocks as there are
/// turns. `pass` says whether the next array needs the activations too.
template <class C, class Numbers, class SecondMultiplier, class In, class Out, class Weights, class Sums>
void multiply_matrix(const ArrayJob& job, In& in, Out* out, bool pass, Weights& weights, Sums& sums) {
  const bool sparse = job.format == weight_format::w2s24;
  const uint32_t planes = static_cast<uint32_t>(format_planes[job.format & 3]);
  const uint32_t zero_shift = static_cast<uint32_t>(format_zero_shift[job.format & 3]);
  const uint32_t turns = ceil_div(job.tokens, tokens_at_once(sparse));
  Beat exponents = zero_beat();
  Beat scales = zero_beat();
  Beat beats[4];
  ActivationPair x = {};
  int32_t total[tile_rows][2] = {};
  // A row's sum for each turn; where there is one turn only, the sum stays in its register.
  typename Numbers::template Int<48> last[tile_rows][2];
  typename Numbers::template Int<48> sum[C::block_tokens][tile_rows][2];
#pragma HLS ARRAY_PARTITION variable = beats complete
#pragma HLS ARRAY_PARTITION variable = total complete dim = 0
#pragma HLS ARRAY_PARTITION variable = last complete dim = 0
#pragma HLS ARRAY_PARTITION variable = sum complete dim = 2
#pragma HLS ARRAY_PARTITION variable = sum complete dim = 3
#pragma HLS BIND_STORAGE variable = sum type = ram_2p impl = lutram
  uint32_t tile = 0;
  uint32_t group = 0;
  uint32_t turn = 0;
  uint32_t plane = 0;
  bool exponents_there = false;
  bool scales_there = sparse;
  while (tile < job.tiles) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 512 max = 262144
#pragma HLS DEPENDENCE variable = sum type = inter distance = 2 true
    if (!exponents_there) {
      exponents = weights.read();
      exponents_there = true;
      continue;
    }
    if (!scales_there) {
      scales = weights.read();
      scales_there = true;
      continue;
    }
    if (turn == 0) beats[plane] = weights.read();
    if (plane == 0) {
      const ChainBeat beat = in.read();
      if (pass) out->write(beat);
      x = unpack_activations(beat);
    }
    SparseUnit units[tile_rows];
    for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
      decode_sparse(beats[0], row, units[row]);
    }
    PlaneSums<Numbers> found;
    multiply_beat<Numbers, SecondMultiplier>(sparse, beats[plane], units, x, found);
    const bool last_plane = plane + 1 == planes;
    TileSums<Numbers> finished;
    for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
      const uint32_t entry = group % groups_per_scale_beat * tile_rows + row;
      const int32_t scale =
          sparse ? units[row].scale : static_cast<int32_t>(get_bits(scales, 16 * entry, 16));
      const int32_t zero_half =
          sparse ? units[row].zero_half
                 : static_cast<int32_t>(get_bits(scales, 384 + 5 * entry, 5) << zero_shift);
      for (uint32_t t = 0; t < 2; ++t) {
#pragma HLS UNROLL
        total[row][t] = (plane == 0 ? 0 : total[row][t]) +
                        static_cast<int32_t>(found.products[row][t]) * (1 << (2 * plane + 1));
        const int32_t grouped = total[row][t] - zero_half * static_cast<int32_t>(found.activations[row][t]);
        if (last_plane) {
          typename Numbers::template Int<48> before = turns == 1 ? last[row][t] : sum[turn][row][t];
          if (group == 0) before = 0;
          last[row][t] = before + int64_t{grouped} * scale;
          sum[turn][row][t] = last[row][t];
        }
        finished.sum[row][t] = last[row][t];
      }
      finished.exponent[row] =
          static_cast<int8_t>(get_bits(exponents, 8 * (tile % tiles_per_exponent_beat * tile_rows + row), 8));
    }
    if (last_plane && group + 1 == job.groups) sums.write(finished);
    const bool last_turn = last_plane && turn + 1 == turns;
    const bool last_group = last_turn && group + 1 == job.groups;
    plane = last_plane ? 0 : plane + 1;
    if (last_plane) turn = last_turn ? 0 : turn + 1;
    if (last_turn) {
      group = last_group ? 0 : group + 1;
      scales_there = sparse || group % groups_per_scale_beat != 0;
    }
    if (last_group) {
      ++tile;
      exponents_there = tile % tiles_per_exponent_beat != 0;
    }
  }
}

/// Works off matrices and attention in the order of the chain until it says stop. `index` is the array's
/// place in the chain; `out` is the next array's end of it, null in the last. `weights` and `sums` are null
/// in an array without a weight channel. `lane`: its ends of a lane's streams, null in an array without one.
template <class C, class Numbers, class SecondMultiplier, class In, class Out, class Weights, class Sums,
          class Lane>
void run_array(uint32_t index, In& in, Out* out, Weights* weights, Sums* sums, const Lane& lane) {
#pragma HLS ALLOCATION function instances = dsp_bank limit = 1
  const bool pass = index + 1 < C::weight_channels;
  for (;;) {
    const ChainBeat head = in.read();
    if (out != nullptr) out->write(head);
    const ArrayJob job = ArrayJob::from(head.token[0]);
    if (job.kind == ArrayJob::stop) break;
    if (job.kind == ArrayJob::matrix && weights != nullptr) {
      multiply_matrix<C, Numbers, SecondMultiplier>(job, in, out, pass, *weights, *sums);
    } else if (job.kind == ArrayJob::attention && job.lanes.has(index)) {
      attend_lane<C, Numbers>(job.wave, *lane.jobs, *lane.queries, *lane.codes, *lane.weights, *lane.dots,
                              *lane.sums);
    }
  }
  if (lane.jobs != nullptr) lane.jobs->write(AttentionJob::stopping());
}

}  // namespace accel::dataflow
