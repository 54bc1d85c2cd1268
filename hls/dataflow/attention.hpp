#pragma once

#include "array.hpp"
#include "kernels/attention.hpp"
#include "slots.hpp"

/// \file
/// One attention lane: a query head, five stages over the packed window: Q K^T with the largest score,
/// exponentials and their sum, weights of the values, weighted values, one division. Keys and values arrive
/// as they lie in memory, every beat at all lanes that share its head (deal.hpp).

namespace accel::dataflow {

/// Takes nibbles off a stream of beats. Blocks start on a beat.
template <class Beats>
class NibbleReader {
 public:
  explicit NibbleReader(Beats& beats) : beats_(beats) {}
  uint32_t next() {
#pragma HLS INLINE
    if (at_ == codes_per_beat) {
      beat_ = beats_.read();
      at_ = 0;
    }
    return get_bits(beat_, 4 * at_++, 4);
  }
  /// Behind a block: padding stays in its last beat.
  void close_block() { at_ = codes_per_beat; }

 private:
  Beats& beats_;
  Beat beat_ = zero_beat();
  uint32_t at_ = codes_per_beat;
};

static_assert(signed_bits(uint64_t{127} * 15 * limit::head_dim) <= 20, "q . k fits 20 bits");

/// A query's codes, rotated for the window and for the sinks.
template <class C>
struct QueryCodes {
  int8_t window[C::head_dim];
  int8_t sink[C::head_dim];
  QueryScalars scalars;
};

template <class C, class Beats, class Scalars>
void take_query(const AttentionJob& job, Beats& beats, Scalars& scalars, QueryCodes<C>& out) {
  out.scalars = scalars.read();
  for (uint32_t which = 0; which < 2; ++which) {
    int8_t* codes = which == 0 ? out.window : out.sink;
    for (uint32_t b = 0; b < ceil_div(job.cache.head_dim, beat_bytes); ++b) {
      const Beat beat = beats.read();
      for (uint32_t i = 0; i < beat_bytes && b * beat_bytes + i < job.cache.head_dim; ++i) {
#pragma HLS UNROLL
        codes[b * beat_bytes + i] = static_cast<int8_t>(get_bits(beat, 8 * i, 8));
      }
    }
  }
}

/// Two keys of a block: their codes share the multipliers of a query's element.
template <class C>
struct KeyPair {
  uint8_t codes[2][C::head_dim];
};

template <class C, class Numbers, class Multiplier>
void dot_pair(const KeyPair<C>& keys, const int8_t* query, uint32_t head_dim, int32_t (&out)[2]) {
  typename Numbers::template Int<20> low = 0;
  typename Numbers::template Int<20> high = 0;
  for (uint32_t d = 0; d < head_dim; ++d) {
#pragma HLS UNROLL factor = 128
    const NibbleProducts p = Multiplier::nibbles(keys.codes[0][d], keys.codes[1][d], query[d]);
    low = low + p.low;
    high = high + p.high;
  }
  out[0] = static_cast<int32_t>(low);
  out[1] = static_cast<int32_t>(high);
}

/// Stage 1: scores of all attended slots and the largest of them.
template <class C, class Numbers, class Multiplier, class Jobs, class Queries, class Scalars, class Keys,
          class Means, class Next, class Scores, class Largest>
void score_keys(Jobs& jobs, Queries& queries, Scalars& scalars, Keys& keys, Means& means, Next& next,
                Scores& scores, Largest& largest) {
  for (;;) {
    const AttentionJob job = jobs.read();
    next.write(job);
    if (job.stop) return;
    QueryCodes<C> query;
#pragma HLS ARRAY_PARTITION variable = query.window complete dim = 0
    take_query(job, queries, scalars, query);
    float most;
    most = -float_of(infinity_bits);
    const SlotWalk walk(job.cache, job.position);
    NibbleReader<Keys> nibbles(keys);
    for (uint32_t block = 0; block < walk.blocks(); ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 512
      const Beat pairs = keys.read();
      for (uint32_t lane = 0; lane < kv_block_slots; lane += 2) {
        KeyPair<C> pair;
        for (uint32_t k = 0; k < 2; ++k) {
          for (uint32_t d = 0; d < job.cache.head_dim; ++d) {
#pragma HLS UNROLL factor = 128
            pair.codes[k][d] = static_cast<uint8_t>(nibbles.next());
          }
        }
        int32_t window_dot[2] = {};
        int32_t sink_dot[2] = {};
        const uint32_t first = block * kv_block_slots + lane;
#pragma HLS PIPELINE II = 1
        dot_pair<C, Numbers, Multiplier>(pair, query.window, job.cache.head_dim, window_dot);
        // Few blocks hold sinks; their pairs take a second turn.
        if (walk.sink(first)) {
          dot_pair<C, Numbers, Multiplier>(pair, query.sink, job.cache.head_dim, sink_dot);
        }
        for (uint32_t k = 0; k < 2; ++k) {
          const uint32_t slot = first + k;
          if (!walk.attended(slot)) continue;
          const bool sink = walk.sink(slot);
          const uint32_t word = get_word(pairs, lane + k);
#pragma HLS PIPELINE II = 1
          const QueryScalars& s = query.scalars;
          const float factor = (sink ? s.sink_scale : s.window_scale) * job.score_scale;
          float score = key_score(sink ? sink_dot[k] : window_dot[k], from_half(word & 0xffffu),
                                  from_half(word >> 16), sink ? s.sink_sum : s.window_sum, factor);
          if (job.centered) score = score + means.read();
          if (score > most) most = score;
          scores.write(score);
        }
      }
      nibbles.close_block();
    }
    largest.write(most);
  }
}

/// Stages 2 and 3: probabilities, their sum, and what each gives its value, once the largest exponent is
/// known.
template <class C, class Jobs, class Scores, class Largest, class Scales, class Next, class Weights,
          class Heads>
void weigh_keys(Jobs& jobs, Scores& scores, Largest& largest, Scales& scales, Next& next, Weights& weights,
                Heads& heads) {
  float weighted[C::slots];
  float minimum[C::slots];
  int32_t block_exponent[C::slots / kv_block_slots];
#pragma HLS BIND_STORAGE variable = weighted type = ram_2p impl = uram
#pragma HLS BIND_STORAGE variable = minimum type = ram_2p impl = uram
  for (;;) {
    const AttentionJob job = jobs.read();
    next.write(job);
    if (job.stop) return;
    float most;
    ProbabilitySum sums;
    most = largest.read();
    const SlotWalk walk(job.cache, job.position);
    for (uint32_t block = 0; block < walk.blocks(); ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 512
      const Beat pairs = scales.read();
      block_exponent[block] = no_exponent;
      for (uint32_t lane = 0; lane < kv_block_slots; ++lane) {
        const uint32_t slot = block * kv_block_slots + lane;
        if (!walk.attended(slot)) continue;
#pragma HLS PIPELINE II = 1
        const WeightedKey key = sums.take(scores.read(), most, get_word(pairs, lane), block_exponent[block]);
        weighted[slot] = key.weighted;
        minimum[slot] = key.minimum;
      }
    }
    sums.close();
    for (uint32_t slot = 0; slot < walk.slots(); ++slot) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 8192
      if (!walk.attended(slot)) continue;
#pragma HLS PIPELINE II = 1
      sums.add_minimum(minimum[slot]);
      const CodeWeight w =
          code_weight(weighted[slot], block_exponent[slot / kv_block_slots], sums.code_exponent);
      weights.write(SlotWeight{w.factor, w.shift});
    }
    heads.write(HeadSum{sums.code_exponent, sums.minimum_exponent, sums.minimum_sum, sums.total});
  }
}

/// Bits of a sum of codes: 8-bit weights, 4-bit codes, shifted by up to 24, over all slots.
constexpr int code_sum_bits = signed_bits((uint64_t{255} * 15 << sum_fraction_bits) * limit::slots);
static_assert(code_sum_bits <= 50, "the sum of a head's codes converts to float32 from 50 bits");

/// Stage 4: weighted values, one accumulator an element.
template <class C, class Numbers, class Multiplier, class Jobs, class Weights, class Codes, class Next,
          class Sums>
void add_values(Jobs& jobs, Weights& weights, Codes& codes, Next& next, Sums& sums) {
  for (;;) {
    const AttentionJob job = jobs.read();
    next.write(job);
    if (job.stop) return;
    typename Numbers::template Int<code_sum_bits> sum[C::head_dim];
#pragma HLS ARRAY_PARTITION variable = sum cyclic factor = 128 dim = 2
    for (uint32_t d = 0; d < job.cache.head_dim; ++d) sum[d] = 0;
    const SlotWalk walk(job.cache, job.position);
    NibbleReader<Codes> nibbles(codes);
    for (uint32_t block = 0; block < walk.blocks(); ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 512
      for (uint32_t lane = 0; lane < kv_block_slots; ++lane) {
        uint8_t value[C::head_dim];
        for (uint32_t d = 0; d < job.cache.head_dim; ++d) {
#pragma HLS UNROLL factor = 128
          value[d] = static_cast<uint8_t>(nibbles.next());
        }
        if (!walk.attended(block * kv_block_slots + lane)) continue;
#pragma HLS PIPELINE II = 1
        const SlotWeight w = weights.read();
        if (w.shift < 0) continue;
        for (uint32_t d = 0; d < job.cache.head_dim; d += 2) {
#pragma HLS UNROLL factor = 64
          const NibbleProducts p = Multiplier::nibbles(value[d], value[d + 1], w.factor);
          sum[d] = sum[d] + (static_cast<int64_t>(p.low) << w.shift);
          sum[d + 1] = sum[d + 1] + (static_cast<int64_t>(p.high) << w.shift);
        }
      }
      nibbles.close_block();
    }
    for (uint32_t d = 0; d < job.cache.head_dim; ++d) {
#pragma HLS PIPELINE II = 1
      sums.write(static_cast<int64_t>(sum[d]));
    }
  }
}

/// Stage 5: one division a head, then its elements.
template <class Jobs, class Heads, class Sums, class Outputs>
void finish_heads(Jobs& jobs, Heads& heads, Sums& sums, Outputs& outputs) {
  for (;;) {
    const AttentionJob job = jobs.read();
    if (job.stop) return;
    const HeadSum head = heads.read();
    ProbabilitySum sum;
    sum.total = head.total;
    sum.code_exponent = head.code_exponent;
    sum.minimum_exponent = head.minimum_exponent;
    sum.minimum_sum = head.minimum_sum;
    const float inverse = sum.inverse();
    Beat beat = zero_beat();
    for (uint32_t d = 0; d < job.cache.head_dim; ++d) {
#pragma HLS PIPELINE II = 1
      set_word(beat, d % beat_words, bits_of(sum.element(sums.read(), inverse)));
      if (d % beat_words == beat_words - 1 || d + 1 == job.cache.head_dim) outputs.write(beat);
    }
  }
}

}  // namespace accel::dataflow
