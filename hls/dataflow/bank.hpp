#pragma once

#include "accllm/generated/format.hpp"
#include "multiplier.hpp"

/// \file
/// The multipliers of one array: a bank of DSP48E2 slices, which every mode of the array uses, and a bank for
/// codes of two bits alone, which doubles the array for matrices. One instance of each an array.

namespace accel::dataflow {

/// Multipliers of a group: the pairs of kept weights of a 2:4 row, or a quarter of the columns of two dense
/// rows.
constexpr uint32_t group_multipliers = group_size / 4;
/// Multipliers of a bank: a 2:4 beat with one token, or two rows of a dense beat.
constexpr uint32_t bank_multipliers = tile_rows * group_multipliers;
static_assert(bank_multipliers == group_size, "a dense column has a multiplier");

/// What travels over the slices' P ports.
struct DspResults {
  int64_t p[bank_multipliers];
};

/// 64 DSP48E2 slices, operands in every clock.
inline void dsp_bank(const DspOperands (&in)[bank_multipliers], DspResults& out) {
#pragma HLS INLINE off
#pragma HLS PIPELINE II = 1
#pragma HLS ARRAY_PARTITION variable = in complete
#pragma HLS ARRAY_PARTITION variable = out.p complete
  for (uint32_t i = 0; i < bank_multipliers; ++i) {
#pragma HLS UNROLL
    out.p[i] = dsp_multiply(in[i]);
  }
}

/// Two codes and two activations for each multiplier of a bank.
struct CodeOperands {
  /// Codes 0 .. 3, activations -127 .. 127; of the four products w0 a0 and w1 a1 count.
  uint8_t w0[bank_multipliers];
  uint8_t w1[bank_multipliers];
  int8_t a0[bank_multipliers];
  int8_t a1[bank_multipliers];
};

struct CodeResults {
  PackedProducts p[bank_multipliers];
};

/// 64 multipliers for codes of two bits. Multiplier: DspMultiplier or LutMultiplier. As an RTL blackbox
/// (hls/rtl/second_bank.v) its clock stops where an array has no use for it.
template <class Multiplier>
void code_bank(const CodeOperands& in, CodeResults& out) {
#pragma HLS INLINE off
#pragma HLS PIPELINE II = 1
#pragma HLS ARRAY_PARTITION variable = in.w0 complete
#pragma HLS ARRAY_PARTITION variable = in.w1 complete
#pragma HLS ARRAY_PARTITION variable = in.a0 complete
#pragma HLS ARRAY_PARTITION variable = in.a1 complete
#pragma HLS ARRAY_PARTITION variable = out.p complete
  for (uint32_t i = 0; i < bank_multipliers; ++i) {
#pragma HLS UNROLL
    out.p[i] = Multiplier::products(in.w0[i], in.w1[i], in.a0[i], in.a1[i]);
  }
}

/// Codes of two bits through the DSP bank.
inline void dsp_code_bank(const CodeOperands& in, CodeResults& out) {
#pragma HLS INLINE
  DspOperands ports[bank_multipliers];
  DspResults results;
  for (uint32_t i = 0; i < bank_multipliers; ++i) {
#pragma HLS UNROLL
    ports[i] = pack_codes(in.w0[i], in.w1[i], in.a0[i], in.a1[i]);
  }
  dsp_bank(ports, results);
  for (uint32_t i = 0; i < bank_multipliers; ++i) {
#pragma HLS UNROLL
    out.p[i] = unpack_codes(results.p[i]);
  }
}

}  // namespace accel::dataflow
