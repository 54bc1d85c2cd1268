#pragma once

#include "means.hpp"

/// \file
/// Sixteen cached keys, unpacked once for all query heads that are multiplied with them; a lane is a slot.

namespace accllm::emulator::fast {
namespace {

/// Words of four bytes, eight 4-bit codes, of a cached vector.
constexpr uint32_t most_words = most_head_dim / 8;

/// The codes of a block with word w of slot s at [w][s].
inline void gather_words(const uint8_t* codes, uint32_t head_dim, uint32_t (*words)[block_slots]) {
  const uint32_t slot_bytes = head_dim / 2;
  const uint32_t whole = slot_bytes / 4;
  for (uint32_t s = 0; s < block_slots; ++s) {
    const uint8_t* slot = codes + s * slot_bytes;
    for (uint32_t w = 0; w < whole; ++w) words[w][s] = load_as<uint32_t>(slot + 4 * w);
    if (slot_bytes % 4 == 0) continue;
    uint32_t rest = 0;
    std::memcpy(&rest, slot + 4 * whole, slot_bytes % 4);
    words[whole][s] = rest;
  }
}

/// Codes of sixteen keys. A level may have its own.
template <class S>
struct KeyCodes {
  uint32_t words[most_words][block_slots];

  void load(const uint8_t* codes, uint32_t head_dim) { gather_words(codes, head_dim, words); }

  /// float(I) of `count` heads, whose codes are in the order of RotatedQuery.
  template <uint32_t count>
  void multiply(const int8_t* const (&queries)[count], uint32_t head_dim, SlotValues<S> (&out)[count]) const {
    using I32 = typename S::I32;
    using U8 = typename S::U8;
    constexpr uint32_t parts = SlotValues<S>::parts;
    for (uint32_t n = 0; n < count; ++n) {
      I32 low[parts] = {};
      I32 high[parts] = {};
      for (uint32_t w = 0; w < (head_dim + 7) / 8; ++w) {
        const U8 even = S::quad(queries[n] + 8 * w);
        const U8 odd = S::quad(queries[n] + 8 * w + 4);
        for (uint32_t p = 0; p < parts; ++p) {
          const I32 word = load_as<I32>(words[w] + p * S::lanes);
          low[p] = S::dot(low[p], U8(word) & S::fill_bytes(15), even);
          high[p] = S::dot(high[p], U8(word >> 4) & S::fill_bytes(15), odd);
        }
      }
      for (uint32_t p = 0; p < parts; ++p) out[n].part[p] = S::to_float(low[p] + high[p]);
    }
  }
};

/// Scales and minima of a block's slots.
template <class S>
void load_pairs(const uint8_t* pairs, SlotValues<S>& scales, SlotValues<S>& minima) {
  using I32 = typename S::I32;
  for (uint32_t p = 0; p < SlotValues<S>::parts; ++p) {
    const I32 pair = load_as<I32>(pairs + 4 * p * S::lanes);
    scales.part[p] = from_half<S>(pair & 0xffff);
    minima.part[p] = from_half<S>((pair >> 16) & 0xffff);
  }
}

/// A block of keys as all heads of all tokens use it.
template <class S>
struct KeyBlock {
  KeyCodes<S> codes;
  SlotValues<S> scales;
  SlotValues<S> minima;

  void load(const uint8_t* block, uint32_t head_dim) {
    codes.load(block + 4 * block_slots, head_dim);
    load_pairs<S>(block, scales, minima);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
