#pragma once

#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"
#include "quantize.hpp"

/// \file
/// The 4-bit cache: blocks of sixteen slots, one beat of (scale, minimum) pairs and then the codes.

namespace accel {

/// First beat of a head's keys (values = false) or values.
inline uint32_t cache_region(const CacheShape& c, uint32_t head_in_channel, bool values) {
  return c.offset + (2 * head_in_channel + (values ? 1 : 0)) * c.region_beats;
}

/// First beat of the block that holds `slot`.
inline uint32_t cache_block(const CacheShape& c, uint32_t region, uint32_t slot) {
  return region + (slot / kv_block_slots) * c.block_beats;
}

/// Codes of a beat, four bits each.
constexpr uint32_t codes_per_beat = beat_bytes * 2;

/// One cached vector: codes and its float16 scale and minimum as float32.
struct CachedVector {
  uint8_t codes[limit::head_dim];
  float scale;
  float minimum;
};

inline void read_cached(const Beat* kv, const CacheShape& c, uint32_t region, uint32_t slot,
                        CachedVector& out) {
  const uint32_t block = cache_block(c, region, slot);
  const uint32_t lane = slot % kv_block_slots;
  const uint32_t pair = get_word(kv[block], lane);
  out.scale = from_half(pair & 0xffffu);
  out.minimum = from_half(pair >> 16);
  const uint32_t first = lane * c.head_dim;
  for (uint32_t d = 0; d < c.head_dim; ++d) {
#pragma HLS PIPELINE II = 1
    const uint32_t index = first + d;
    const Beat& beat = kv[block + 1 + index / codes_per_beat];
    out.codes[d] = static_cast<uint8_t>(get_bits(beat, (index % codes_per_beat) * 4, 4));
  }
}

/// A vector in 4 bits: codes, and float16 scale and minimum in one word.
template <uint32_t Most = limit::head_dim>
struct PackedVectorOf {
  uint8_t codes[Most];
  uint32_t pair;
};
using PackedVector = PackedVectorOf<>;

/// Quantizes a vector to 4 bits (docs/numerics.md, "ropeKv").
template <uint32_t Most = limit::head_dim>
void quantize_cached(const float* w, uint32_t head_dim, PackedVectorOf<Most>& out, bool& non_finite) {
  AbsMax largest;
  float low = w[0];
  float high = w[0];
  for (uint32_t d = 0; d < Most && d < head_dim; ++d) {
#pragma HLS PIPELINE II = 1
    largest.take(w[d]);
    low = w[d] < low ? w[d] : low;
    high = w[d] > high ? w[d] : high;
  }
  uint32_t scale16 = 0;
  uint32_t minimum16 = 0;
  if (largest.finite()) {
    const float range = high - low;
    scale16 = to_half(range / 15.0f);
    minimum16 = to_half(low);
  } else {
    non_finite = true;
  }
  const float minimum = from_half(minimum16);
  const float inverse = scale16 == 0 ? 0.0f : 1.0f / from_half(scale16);
  out.pair = scale16 | (minimum16 << 16);
  for (uint32_t d = 0; d < Most && d < head_dim; ++d) {
#pragma HLS PIPELINE II = 1
    const float above = w[d] - minimum;
    out.codes[d] = static_cast<uint8_t>(scale16 == 0 ? 0 : round_even(clamp(above * inverse, 0.0f, 15.0f)));
  }
}

/// Quantizes a vector to 4 bits and writes it to its slot.
inline void write_cached(Beat* kv, const CacheShape& c, uint32_t region, uint32_t slot, const float* w,
                         bool& non_finite) {
  PackedVector packed;
  quantize_cached(w, c.head_dim, packed, non_finite);
  const uint32_t block = cache_block(c, region, slot);
  const uint32_t lane = slot % kv_block_slots;
  Beat pairs = kv[block];
  set_word(pairs, lane, packed.pair);
  kv[block] = pairs;
  for (uint32_t d = 0; d < c.head_dim; ++d) {
    const uint32_t index = lane * c.head_dim + d;
    Beat& beat = kv[block + 1 + index / codes_per_beat];
    set_bits(beat, (index % codes_per_beat) * 4, 4, packed.codes[d]);
  }
}

}  // namespace accel
