#pragma once

#include "accllm/activations.hpp"
#include "accllm/descriptor.hpp"
#include "exp24.hpp"
#include "kv_cache.hpp"
#include "query.hpp"
#include "rotate.hpp"

/// \file
/// Lambda-shaped attention over the 4-bit cache (docs/numerics.md, "attend"): sinks and a window, the query
/// rotated twice, integer dot products, fixed-point probabilities, one division at the end.

namespace accel {

/// Scratch memories of the attention engine, on chip.
struct AttentionScratch {
  float score[limit::slots];
  uint32_t probability[limit::slots];
  /// Scale of the cached value, then its product with the probability.
  float weighted[limit::slots];
  float minimum[limit::slots];
  int32_t block_exponent[limit::slots / kv_block_slots];
  float output[limit::head_elements];
};

/// Score of a key before centering: integer dot product, then the key's scale and minimum, then the query's.
inline float key_score(int32_t dot, float key_scale, float key_minimum, int32_t query_sum, float factor) {
#pragma HLS INLINE
  const float scaled = static_cast<float>(dot) * key_scale;
  const float offset = static_cast<float>(query_sum) * key_minimum;
  const float product = scaled + offset;
  return product * factor;
}

/// Position of the i-th attended key.
inline uint32_t key_position(const AttentionSpan& span, uint32_t i) {
  return i < span.sinks ? i : span.first + (i - span.sinks);
}

/// Scores of all attended keys, and their largest.
inline float score_keys(const Descriptor& d, const CacheShape& c, const AttentionSpan& span,
                        const HeadQuery& query, const Beat* kv, uint32_t region, const Beat* table,
                        AttentionScratch& scratch) {
  const float score_scale = d.float_field(field::attend::score_scale_bits);
  const uint32_t distances = d.field(field::attend::distance_offset);
  const uint32_t distance_beats = d.field(field::attend::distance_beats);
  const bool centered = d.has(flag::centered);
  float largest = -float_of(infinity_bits);
  for (uint32_t i = 0; i < span.keys(); ++i) {
    const bool sink = i < span.sinks;
    const uint32_t position = key_position(span, i);
    CachedVector key;
    read_cached(kv, c, region, slot_of(c, position), key);
    const QuantizedQuery& q = sink ? query.sink : query.window;
    int32_t dot = 0;
    for (uint32_t e = 0; e < c.head_dim; ++e) dot += q.codes[e] * key.codes[e];
    float score = key_score(dot, key.scale, key.minimum, q.sum, q.scale * score_scale);
    if (centered) {
      const uint32_t distance = (sink ? query.sink_position : query.position) - position;
      const int64_t mean = mean_dot(query.mean, table + distances + distance * distance_beats, c.head_dim);
      const float back = static_cast<float>(mean) * query.mean.factor;
      score = score + back;
    }
    scratch.score[i] = score;
    if (score > largest) largest = score;
  }
  return largest;
}

/// Fraction bits of the sums over keys, below the largest term's power of two.
constexpr int32_t sum_fraction_bits = 24;
/// Exponent of an empty set of terms.
constexpr int32_t no_exponent = -1000;

/// A probability times the scale and the minimum of its cached value.
struct WeightedKey {
  float weighted;
  float minimum;
};

/// What the probabilities of one query head add up to, but for the values themselves.
struct ProbabilitySum {
  uint64_t total = 0;
  int32_t code_exponent = no_exponent;
  int32_t minimum_exponent = no_exponent;
  int64_t minimum_sum = 0;

  /// Takes one key; `block_exponent` is that of its block of sixteen slots. `pair` holds the value's scale
  /// and minimum in float16.
  WeightedKey take(float score, float largest, uint32_t pair, int32_t& block_exponent) {
#pragma HLS INLINE
    const uint32_t p = exp24(score - largest);
    total += p;
    const float probability = static_cast<float>(p);
    WeightedKey key;
    key.weighted = probability * from_half(pair & 0xffffu);
    key.minimum = probability * from_half(pair >> 16);
    if (key.weighted > 0.0f) {
      const int32_t e = exponent_of(key.weighted);
      if (e > block_exponent) block_exponent = e;
      if (e > code_exponent) code_exponent = e;
    }
    if (key.minimum != 0.0f && exponent_of(key.minimum) > minimum_exponent) {
      minimum_exponent = exponent_of(key.minimum);
    }
    return key;
  }

  /// Behind the last key: exponents of empty sums are 0.
  void close() {
    if (code_exponent == no_exponent) code_exponent = 0;
    if (minimum_exponent == no_exponent) minimum_exponent = 0;
  }

  /// Adds a key's minimum, once the exponents are known.
  void add_minimum(float minimum) {
    minimum_sum += round_even(minimum * power_of_two(sum_fraction_bits - minimum_exponent));
  }

  /// The one division of a head.
  float inverse() const { return 1.0f / static_cast<float>(total); }

  /// One element of the output from the sum of its codes.
  float element(int64_t sum, float inverse) const {
    const float offset = static_cast<float>(minimum_sum) * power_of_two(minimum_exponent - sum_fraction_bits);
    const float codes = static_cast<float>(sum) * power_of_two(code_exponent - 7 - sum_fraction_bits);
    const float value = codes + offset;
    return value * inverse;
  }
};

/// A key's factor for its value's codes: eight bits and a shift; shift < 0 where it adds nothing.
struct CodeWeight {
  int32_t factor;
  int32_t shift;
};

/// How far the sum of a block's codes is shifted to the common exponent; negative where it is too small to
/// count.
inline int32_t block_shift(int32_t block_exponent, int32_t code_exponent) {
#pragma HLS INLINE
  return sum_fraction_bits - (code_exponent - block_exponent);
}

inline CodeWeight code_weight(float weighted, int32_t block_exponent, int32_t code_exponent) {
#pragma HLS INLINE
  CodeWeight out;
  out.shift = block_shift(block_exponent, code_exponent);
  out.factor = 0;
  if (!(weighted > 0.0f) || out.shift < 0) {
    out.shift = -1;
    return out;
  }
  const int32_t rounded = round_even(weighted * power_of_two(7 - block_exponent));
  out.factor = rounded > 255 ? 255 : rounded;
  return out;
}

/// Probabilities times values for one query head; writes head_dim outputs.
inline void weigh_values(const CacheShape& c, const AttentionSpan& span, float largest, const Beat* kv,
                         uint32_t region, AttentionScratch& scratch, float* output) {
  const uint32_t blocks = ceil_div(c.sinks + c.ring, kv_block_slots);
  for (uint32_t b = 0; b < blocks; ++b) scratch.block_exponent[b] = no_exponent;
  ProbabilitySum sum;
  for (uint32_t i = 0; i < span.keys(); ++i) {
    const uint32_t slot = slot_of(c, key_position(span, i));
    const uint32_t pair = get_word(kv[cache_block(c, region, slot)], slot % kv_block_slots);
    const WeightedKey key =
        sum.take(scratch.score[i], largest, pair, scratch.block_exponent[slot / kv_block_slots]);
    scratch.weighted[i] = key.weighted;
    scratch.minimum[i] = key.minimum;
  }
  sum.close();

  int64_t sums[limit::head_dim];
  for (uint32_t e = 0; e < c.head_dim; ++e) sums[e] = 0;
  for (uint32_t i = 0; i < span.keys(); ++i) {
    sum.add_minimum(scratch.minimum[i]);
    const uint32_t slot = slot_of(c, key_position(span, i));
    const CodeWeight weight =
        code_weight(scratch.weighted[i], scratch.block_exponent[slot / kv_block_slots], sum.code_exponent);
    if (weight.shift < 0) continue;
    CachedVector value;
    read_cached(kv, c, region, slot, value);
    for (uint32_t e = 0; e < c.head_dim; ++e) {
#pragma HLS PIPELINE II = 1
      sums[e] += static_cast<int64_t>(weight.factor * value.codes[e]) << weight.shift;
    }
  }
  const float inverse = sum.inverse();
  for (uint32_t e = 0; e < c.head_dim; ++e) {
#pragma HLS PIPELINE II = 1
    output[e] = sum.element(sums[e], inverse);
  }
}

/// Rotates a head's output back; the rotation is its own inverse but for a factor.
template <uint32_t Most = limit::head_dim>
void rotate_output(float* output, uint32_t head_dim) {
  hadamard<Most>(output, head_dim);
  const float normalize = 1.0f / static_cast<float>(hadamard_size(head_dim));
  for (uint32_t e = 0; e < Most && e < head_dim; ++e) output[e] = output[e] * normalize;
}

/// Attention of one token over all its query heads; the result is quantized to the token's int8 codes.
inline void attend(const Ports& ports, const Descriptor& d, const Beat* record, uint32_t token,
                   Activations& act, AttentionScratch& scratch) {
  const CacheShape c = cache_shape(d, ports.kv_channels);
  const uint32_t heads = d.field(field::attend::heads);
  const uint32_t group = heads / c.kv_heads;
  const bool rotate = d.has(flag::hadamard);
  const uint32_t position = get_word(record[0], token_field::position);
  const AttentionSpan span = attention_span(c, position);
  AbsMax largest_output;
  for (uint32_t head = 0; head < heads; ++head) {
    const uint32_t kv_head = head / group;
    const float* q = act.q[token] + head * c.head_dim;
    HeadQuery query;
    query.position = position;
    query.sink_position = get_word(record[0], token_field::sink_position);
    query.window = quantize_query(q, c.head_dim, record + 1, 0, rotate, act.non_finite);
    query.sink = quantize_query(q, c.head_dim, record + 1, c.head_dim, rotate, act.non_finite);
    query.mean.factor = 0.0f;
    if (d.has(flag::centered)) {
      query.mean = mean_term(q, ports.table + d.field(field::attend::mean_offset), kv_head * c.head_dim,
                             c.head_dim, d.float_field(field::attend::mean_scale_bits), act.non_finite);
    }
    const Beat* kv = ports.kv[kv_head % ports.kv_channels];
    const uint32_t in_channel = kv_head / ports.kv_channels;
    const float largest =
        score_keys(d, c, span, query, kv, cache_region(c, in_channel, false), ports.table, scratch);
    float* output = scratch.output + head * c.head_dim;
    weigh_values(c, span, largest, kv, cache_region(c, in_channel, true), scratch, output);
    if (rotate) rotate_output(output, c.head_dim);
    for (uint32_t e = 0; e < c.head_dim; ++e) largest_output.take(output[e]);
  }
  act.a_scale[token] =
      quantize_activations(scratch.output, largest_output, heads * c.head_dim, act.a[token], act.non_finite);
}

}  // namespace accel
