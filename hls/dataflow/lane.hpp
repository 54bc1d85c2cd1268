#pragma once

#include "bank.hpp"
#include "numbers.hpp"
#include "slots.hpp"
#include "tokens.hpp"

/// \file
/// Attention on an array's DSP bank: a query head over the packed window, keys and then values, 128 codes of
/// the cache a clock. What is made of the sums stands in attention.hpp. Heads have 64 or 128 elements
/// (head_step), so that a beat holds whole vectors: one of 128 codes, or two of 64.

namespace accel::dataflow {

constexpr uint32_t head_step = bank_multipliers;
static_assert(2 * head_step * 4 == 8 * beat_bytes, "a beat holds one vector of 128 codes");

static_assert(uint64_t{127} * 15 * head_step < (uint64_t{1} << (packed_nibble_bits - 1)),
              "sums of 64 products of keys fit the packed fields: they are added before they are unpacked");
static_assert(uint64_t{255} * 15 * kv_block_slots < (uint64_t{1} << (packed_nibble_bits - 1)),
              "so do a block's sixteen products of values");
static_assert(signed_bits(uint64_t{127} * 15 * 2 * head_step) <= 20, "q . k fits 20 bits");

/// A query's codes, rotated for the window and for the sinks.
template <class C>
struct QueryCodes {
  int8_t window[C::head_dim];
  int8_t sink[C::head_dim];
};

template <class C, class Beats>
void take_query(uint32_t head_dim, Beats& beats, QueryCodes<C>& out) {
  for (uint32_t b = 0; b < 2 * head_dim / beat_bytes; ++b) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 2 max = 4
    const Beat beat = beats.read();
    const uint32_t first = b * beat_bytes % head_dim;
    int8_t* codes = b * beat_bytes < head_dim ? out.window : out.sink;
    for (uint32_t i = 0; i < beat_bytes; ++i) {
#pragma HLS UNROLL
      codes[first + i] = static_cast<int8_t>(get_bits(beat, 8 * i, 8));
    }
  }
}

/// Stage 1: q . k of every slot, two keys in two clocks. A pair of which one key is a sink and one is not
/// takes two turns, one with each query.
template <class C, class Numbers, class Codes, class Dots>
void multiply_keys(const AttentionJob& job, const QueryCodes<C>& query, Codes& codes, Dots& dots) {
  const SlotWalk walk(job.cache, job.position);
  const uint32_t pairs = walk.blocks() * kv_block_slots / 2;
  const bool whole_beats = job.cache.head_dim == 2 * head_step;
  Beat first = zero_beat();
  Beat second = zero_beat();
  KeyDots found = {};
  bool again = false;
  for (uint32_t pair = 0; pair < pairs;) {
#pragma HLS PIPELINE II = 2
#pragma HLS LOOP_TRIPCOUNT min = 8 max = 1032
    if (!again) {
      first = codes.read();
      second = whole_beats ? codes.read() : first;
    }
    const bool low_is_sink = walk.sink(2 * pair);
    const bool high_is_sink = walk.sink(2 * pair + 1);
    const int8_t* q = low_is_sink && !again ? query.sink : query.window;
    int32_t low = 0;
    int32_t high = 0;
    for (uint32_t half = 0; half < 2; ++half) {
#pragma HLS UNROLL
      if (half == 1 && !whole_beats) continue;
      DspOperands operands[head_step];
      for (uint32_t i = 0; i < head_step; ++i) {
#pragma HLS UNROLL
        const uint32_t low_at = half * head_step + i;
        const uint32_t high_at = whole_beats ? low_at : head_step + i;
        operands[i] = pack_nibbles(get_bits(first, 4 * low_at, 4), get_bits(second, 4 * high_at, 4),
                                   q[half * head_step + i]);
      }
      DspResults results;
      dsp_bank(operands, results);
      typename Numbers::template Int<DspPorts::p_bits> sum = 0;
      for (uint32_t i = 0; i < head_step; ++i) {
#pragma HLS UNROLL
        sum = sum + results.p[i];
      }
      const NibbleProducts both = unpack_nibbles(static_cast<int64_t>(sum));
      low += both.low;
      high += both.high;
    }
    if (!again) found.low = low;
    found.high = high;
    again = !again && low_is_sink && !high_is_sink;
    if (!again) {
      dots.write(found);
      ++pair;
    }
  }
}

/// Stage 4: weighted codes of the values, a beat a clock: one value of 128 elements, or two of 64 with a
/// weight each. The sixteen slots of a block share an exponent, so their sums form in the slices'
/// accumulators; while a block is summed, the one before leaves, eight elements a clock.
template <class C, class Numbers, class Codes, class Weights, class Sums>
void multiply_values(const AttentionJob& job, Codes& codes, Weights& weights, Sums& sums) {
  const uint32_t blocks = SlotWalk(job.cache, job.position).blocks();
  const uint32_t head_dim = job.cache.head_dim;
  const bool whole_beats = head_dim == 2 * head_step;
  const uint32_t steps = whole_beats ? kv_block_slots : kv_block_slots / 2;
  int64_t sum[head_step] = {};
  int64_t leaving[head_step] = {};
#pragma HLS ARRAY_PARTITION variable = sum complete
#pragma HLS ARRAY_PARTITION variable = leaving complete
  int32_t shift = 0;
  int32_t leaving_shift = 0;
  for (uint32_t block = 0; block <= blocks; ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 2 max = 130
    for (uint32_t step = 0; step < steps; ++step) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 8 max = 16
#pragma HLS LOOP_FLATTEN
      if (step == 0) {
        for (uint32_t i = 0; i < head_step; ++i) {
#pragma HLS UNROLL
          leaving[i] = sum[i];
          sum[i] = 0;
        }
        leaving_shift = shift;
      }
      if (block < blocks) {
        const Beat beat = codes.read();
        const WeightPair weight = weights.read();
        shift = weight.shift;
        DspOperands operands[head_step];
        for (uint32_t i = 0; i < head_step; ++i) {
#pragma HLS UNROLL
          const bool second = !whole_beats && i >= head_step / 2;
          operands[i] = pack_nibbles(get_bits(beat, 8 * i, 4), get_bits(beat, 8 * i + 4, 4),
                                     second ? weight.second : weight.first);
        }
        DspResults results;
        dsp_bank(operands, results);
        for (uint32_t i = 0; i < head_step; ++i) {
#pragma HLS UNROLL
          sum[i] += results.p[i];
        }
      }
      if (block > 0) {
        BlockSums out;
        out.shift = leaving_shift;
        for (uint32_t i = 0; i < BlockSums::elements / 2; ++i) {
#pragma HLS UNROLL
          const uint32_t at = step * BlockSums::elements / 2 + i;
          const int64_t packed = whole_beats ? leaving[at] : leaving[at] + leaving[at + head_step / 2];
          const NibbleProducts both = unpack_nibbles(packed);
          out.sum[2 * i] = both.low;
          out.sum[2 * i + 1] = both.high;
        }
        sums.write(out);
      }
    }
  }
}

/// One wave of attention in this lane. Its job goes on to the stages of attention.hpp.
template <class C, class Numbers, class Jobs, class Queries, class Codes, class Weights, class Dots,
          class Sums>
void attend_lane(const AttentionJob& job, Jobs& jobs, Queries& queries, Codes& codes, Weights& weights,
                 Dots& dots, Sums& sums) {
  jobs.write(job);
  QueryCodes<C> query;
#pragma HLS ARRAY_PARTITION variable = query.window complete
#pragma HLS ARRAY_PARTITION variable = query.sink complete
  take_query<C>(job.cache.head_dim, queries, query);
  multiply_keys<C, Numbers>(job, query, codes, dots);
  multiply_values<C, Numbers>(job, codes, weights, sums);
}

}  // namespace accel::dataflow
