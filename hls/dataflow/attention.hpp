#pragma once

#include "kernels/attention.hpp"
#include "region.hpp"
#include "slots.hpp"
#include "tokens.hpp"

/// \file
/// What is made of the sums of a lane (lane.hpp): scores and the largest of them, probabilities and their
/// sum, the weights of the values, one division. A lane serves one query head.

namespace accel::dataflow {

/// Behind stage 1: scores of all attended slots and the largest of them, a key a clock.
template <class C, class Jobs, class Scalars, class Scales, class Dots, class Means, class Next, class Scores,
          class Largest>
void score_keys(Jobs& jobs, Scalars& scalars, Scales& scales, Dots& dots, Means& means, Next& next,
                Scores& scores, Largest& largest) {
  for (;;) {
    const AttentionJob job = jobs.read();
    next.write(job);
    if (job.stop) return;
    const QueryScalars query = scalars.read();
    float most = -float_of(infinity_bits);
    const SlotWalk walk(job.cache, job.position);
    Beat pairs = zero_beat();
    KeyDots found = {};
    for (uint32_t slot = 0; slot < walk.blocks() * kv_block_slots; ++slot) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2064
      if (slot % kv_block_slots == 0) pairs = scales.read();
      if (slot % 2 == 0) found = dots.read();
      if (walk.attended(slot)) {
        const bool sink = walk.sink(slot);
        const uint32_t word = get_word(pairs, slot % kv_block_slots);
        const float factor = (sink ? query.sink_scale : query.window_scale) * job.score_scale;
        float score = key_score(slot % 2 == 0 ? found.low : found.high, from_half(word & 0xffffu),
                                from_half(word >> 16), sink ? query.sink_sum : query.window_sum, factor);
        if (job.centered) score = score + means.read();
        if (score > most) most = score;
        scores.write(score);
      }
    }
    largest.write(most);
  }
}

/// Stages 2 and 3: probabilities, their sum, and, once the largest exponent is known, what each gives its
/// value. Slots that are not attended to weigh nothing.
template <class C, class Jobs, class Scores, class Largest, class Scales, class Next, class Weights,
          class Heads>
void weigh_keys(Jobs& jobs, Scores& scores, Largest& largest, Scales& scales, Next& next, Weights& weights,
                Heads& heads) {
  float weighted[C::slots];
  float minimum[C::slots];
  int32_t block_exponent[C::slots / kv_block_slots];
#pragma HLS BIND_STORAGE variable = weighted type = ram_2p impl = bram
#pragma HLS BIND_STORAGE variable = minimum type = ram_2p impl = bram
  for (;;) {
    const AttentionJob job = jobs.read();
    next.write(job);
    if (job.stop) return;
    ProbabilitySum sums;
    const float most = largest.read();
    const SlotWalk walk(job.cache, job.position);
    const uint32_t slots = walk.blocks() * kv_block_slots;
    Beat pairs = zero_beat();
    int32_t exponent = no_exponent;
    for (uint32_t slot = 0; slot < slots; ++slot) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2064
      if (slot % kv_block_slots == 0) {
        pairs = scales.read();
        exponent = no_exponent;
      }
      WeightedKey key = {0.0f, 0.0f};
      if (walk.attended(slot)) {
        key = sums.take(scores.read(), most, get_word(pairs, slot % kv_block_slots), exponent);
      }
      weighted[slot] = key.weighted;
      minimum[slot] = key.minimum;
      block_exponent[slot / kv_block_slots] = exponent;
    }
    sums.close();
    const bool whole_beats = job.cache.head_dim == codes_per_beat;
    WeightPair pair = {};
    for (uint32_t slot = 0; slot < slots; ++slot) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2064
      sums.add_minimum(minimum[slot]);
      const CodeWeight w =
          code_weight(weighted[slot], block_exponent[slot / kv_block_slots], sums.code_exponent);
      const int32_t shift = block_shift(block_exponent[slot / kv_block_slots], sums.code_exponent);
      pair.shift = shift < 0 ? 0 : shift;
      // A beat holds one value of 128 elements or two of 64.
      const bool first = whole_beats || slot % 2 == 0;
      (first ? pair.first : pair.second) = w.factor;
      if (whole_beats || !first) weights.write(pair);
    }
    heads.write(HeadSum{sums.code_exponent, sums.minimum_exponent, sums.minimum_sum, sums.total});
  }
}

/// Bits of a sum of codes: 8-bit weights, 4-bit codes, shifted by up to 24, over all slots.
constexpr int code_sum_bits = signed_bits((uint64_t{255} * 15 << sum_fraction_bits) * limit::slots);
static_assert(code_sum_bits <= 50, "the sum of a head's codes converts to float32 from 50 bits");

/// Stage 5: sums over the blocks, each shifted to the common exponent, eight elements a clock; then one
/// division a head and an element a clock.
template <class C, class Numbers, class Jobs, class Heads, class Sums, class Outputs>
void finish_heads(Jobs& jobs, Heads& heads, Sums& sums, Outputs& outputs) {
  for (;;) {
    const AttentionJob job = jobs.read();
    if (job.stop) return;
    const uint32_t head_dim = job.cache.head_dim;
    const uint32_t blocks = SlotWalk(job.cache, job.position).blocks();
    typename Numbers::template Int<code_sum_bits> sum[C::head_dim];
#pragma HLS ARRAY_PARTITION variable = sum cyclic factor = BlockSums::elements
    for (uint32_t block = 0; block < blocks; ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 129
      for (uint32_t first = 0; first < head_dim; first += BlockSums::elements) {
#pragma HLS PIPELINE II = 1
#pragma HLS DEPENDENCE variable = sum type = inter distance = 8 true
        const BlockSums found = sums.read();
        for (uint32_t i = 0; i < BlockSums::elements; ++i) {
#pragma HLS UNROLL
          const int64_t before = block == 0 ? 0 : static_cast<int64_t>(sum[first + i]);
          sum[first + i] = before + (static_cast<int64_t>(found.sum[i]) << found.shift);
        }
      }
    }
    const HeadSum head = heads.read();
    ProbabilitySum total;
    total.total = head.total;
    total.code_exponent = head.code_exponent;
    total.minimum_exponent = head.minimum_exponent;
    total.minimum_sum = head.minimum_sum;
    const float inverse = total.inverse();
    Beat beat = zero_beat();
    for (uint32_t d = 0; d < head_dim; ++d) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 64 max = 128
      set_word(beat, d % beat_words, bits_of(total.element(static_cast<int64_t>(sum[d]), inverse)));
      if (d % beat_words == beat_words - 1) outputs.write(beat);
    }
  }
}

}  // namespace accel::dataflow
