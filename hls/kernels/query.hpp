#pragma once

#include "accllm/descriptor.hpp"
#include "quantize.hpp"
#include "rotate.hpp"

/// \file
/// A query as the scores need it: rotated twice and quantized, and its share of the key means.

namespace accel {

/// A rotated query in 8 bits.
template <uint32_t Most = limit::head_dim>
struct QuantizedQueryOf {
  int32_t codes[Most];
  int32_t sum;
  float scale;
};
using QuantizedQuery = QuantizedQueryOf<>;

template <uint32_t Most = limit::head_dim>
QuantizedQueryOf<Most> quantize_query(const float* q, uint32_t head_dim, const Beat* record,
                                      uint32_t cos_word, bool rotate, bool& non_finite) {
  float v[Most];
  for (uint32_t i = 0; i < Most && i < head_dim; ++i) v[i] = q[i];
  rope<Most>(v, head_dim, record, cos_word);
  if (rotate) hadamard<Most>(v, head_dim);
  AbsMax largest;
  for (uint32_t i = 0; i < Most && i < head_dim; ++i) largest.take(v[i]);
  if (!largest.finite()) non_finite = true;
  const Quantizer quantizer(largest, 127.0f);
  QuantizedQueryOf<Most> out;
  out.scale = quantizer.scale;
  out.sum = 0;
  for (uint32_t i = 0; i < Most && i < head_dim; ++i) {
    out.codes[i] = quantizer.code(v[i]);
    out.sum += out.codes[i];
  }
  return out;
}

/// What key centering gives back to a score: q . R(mu), which depends only on the query and the distance.
template <uint32_t Most = limit::head_dim>
struct MeanTermOf {
  int32_t codes[Most];
  float factor;
};
using MeanTerm = MeanTermOf<>;

template <uint32_t Most = limit::head_dim>
MeanTermOf<Most> mean_term(const float* q, const Beat* means, uint32_t mean_word, uint32_t head_dim,
                           float mean_scale, bool& non_finite) {
  float v[Most];
  const uint32_t half = head_dim / 2;
  AbsMax largest;
  for (uint32_t i = 0; i < Most / 2 && i < half; ++i) {
    const float low = load_float(means, mean_word + i);
    const float high = load_float(means, mean_word + half + i);
    const float low_low = q[i] * low;
    const float high_high = q[i + half] * high;
    const float low_high = q[i] * high;
    const float high_low = q[i + half] * low;
    v[i] = low_low + high_high;
    v[i + half] = low_high - high_low;
    largest.take(v[i]);
    largest.take(v[i + half]);
  }
  if (!largest.finite()) non_finite = true;
  const Quantizer quantizer(largest, 32767.0f);
  MeanTermOf<Most> out;
  out.factor = quantizer.scale * mean_scale;
  for (uint32_t i = 0; i < Most && i < head_dim; ++i) out.codes[i] = quantizer.code(v[i]);
  return out;
}

inline int64_t mean_dot(const MeanTerm& term, const Beat* row, uint32_t head_dim) {
  int64_t sum = 0;
  for (uint32_t i = 0; i < head_dim; ++i) {
#pragma HLS PIPELINE II = 1
    const auto entry = static_cast<int16_t>(get_bits(row[i / 32], (i % 32) * 16, 16));
    sum += static_cast<int64_t>(term.codes[i]) * entry;
  }
  return sum;
}

/// Everything about one query head of one token that does not depend on the key.
struct HeadQuery {
  QuantizedQuery window;
  QuantizedQuery sink;
  MeanTerm mean;
  uint32_t position;
  uint32_t sink_position;
};

}  // namespace accel
