#pragma once

#include "head.hpp"

/// \file
/// What key centering gives back (docs/numerics.md, "attend", step 2).

namespace accllm::emulator::fast {
namespace {

/// A value a slot of a block.
template <class S>
struct SlotValues {
  static constexpr uint32_t parts = block_slots / S::lanes;
  typename S::F32 part[parts];
};

/// Products of a query head's 16-bit (alpha, beta) with the distance table. A level may have its own.
template <class S>
struct MeanProduct {
  /// 16-bit pairs: code = 256 * high + low.
  struct Query {
    int32_t high[most_head_dim / 2];
    int32_t low[most_head_dim / 2];

    /// `codes` are `count` pairs, `radius` is the table's.
    void set(const int16_t* codes, uint32_t count, float /*radius*/) {
      for (uint32_t k = 0; k < count; ++k) {
        const int32_t even = codes[2 * k];
        const int32_t odd = codes[2 * k + 1];
        high[k] = ((even >> 8) & 0xffff) | ((odd >> 8) * (1 << 16));
        low[k] = (even & 0xff) | ((odd & 0xff) << 16);
      }
    }
  };

  /// fl(float(C(d)) * factor) at the distances of a few vectors; the first pair of entries is at `words`.
  static void multiply(const Query& query, const int32_t* words, size_t stride, uint32_t pairs, float factor,
                       uint32_t vectors, float* out) {
    uint32_t v = 0;
    for (; v + 4 <= vectors; v += 4)
      multiply_few<4>(query, words + v * S::lanes, stride, pairs, factor, out + v * S::lanes);
    for (; v < vectors; ++v)
      multiply_few<1>(query, words + v * S::lanes, stride, pairs, factor, out + v * S::lanes);
  }

 private:
  template <uint32_t vectors>
  static void multiply_few(const Query& query, const int32_t* words, size_t stride, uint32_t pairs,
                           float factor, float* out) {
    using I32 = typename S::I32;
    I32 high[vectors] = {};
    I32 low[vectors] = {};
    for (uint32_t k = 0; k < pairs; ++k) {
      const I32 query_high = S::fill(query.high[k]);
      const I32 query_low = S::fill(query.low[k]);
      for (uint32_t v = 0; v < vectors; ++v) {
        const I32 entries = load_as<I32>(words + k * stride + v * S::lanes);
        high[v] = S::dot_pairs(high[v], entries, query_high);
        low[v] = S::dot_pairs(low[v], entries, query_low);
      }
    }
    for (uint32_t v = 0; v < vectors; ++v)
      store_as(out + v * S::lanes, S::wide_to_float(high[v], low[v]) * factor);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
