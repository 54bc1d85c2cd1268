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

/// Products of the 16-bit (alpha, beta) of query heads with the distance table. A level may have its own.
template <class S>
struct MeanProduct {
  /// 16-bit pairs: code = 256 * high + low.
  struct Query {
    int32_t high[most_head_dim / 2];
    int32_t low[most_head_dim / 2];

    void set(const int16_t* codes, uint32_t pairs) {
      for (uint32_t k = 0; k < pairs; ++k) {
        const int32_t even = codes[2 * k];
        const int32_t odd = codes[2 * k + 1];
        high[k] = ((even >> 8) & 0xffff) | ((odd >> 8) * (1 << 16));
        low[k] = (even & 0xff) | ((odd & 0xff) << 16);
      }
    }
  };

  /// float(C(d)) of `count` heads at the sixteen distances whose first pair of entries is at `words`.
  template <uint32_t count>
  static void multiply(const Query* const (&queries)[count], const int32_t* words, size_t stride,
                       uint32_t pairs, SlotValues<S> (&out)[count]) {
    using I32 = typename S::I32;
    constexpr uint32_t parts = SlotValues<S>::parts;
    for (uint32_t n = 0; n < count; ++n) {
      I32 high[parts] = {};
      I32 low[parts] = {};
      for (uint32_t k = 0; k < pairs; ++k) {
        const I32 query_high = S::fill(queries[n]->high[k]);
        const I32 query_low = S::fill(queries[n]->low[k]);
        for (uint32_t p = 0; p < parts; ++p) {
          const I32 entries = load_as<I32>(words + k * stride + p * S::lanes);
          high[p] = S::dot_pairs(high[p], entries, query_high);
          low[p] = S::dot_pairs(low[p], entries, query_low);
        }
      }
      for (uint32_t p = 0; p < parts; ++p) out[n].part[p] = S::wide_to_float(high[p], low[p]);
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
