#pragma once

#include "keys.hpp"

/// \file
/// Sixteen cached values, unpacked once for all query heads that weigh them.

namespace accllm::emulator::fast {
namespace {

/// Elements of half a vector, the even ones or the odd ones, as sums keep them: whole vectors of eight.
inline uint32_t padded_half(uint32_t head_dim) { return (head_dim / 2 + 7) & ~7u; }

/// Codes of sixteen values. A level may have its own.
template <class S>
struct ValueCodes {
  const uint8_t* codes;
  uint32_t slot_bytes;
  uint32_t half;

  void load(const uint8_t* block_codes, uint32_t head_dim) {
    codes = block_codes;
    slot_bytes = head_dim / 2;
    half = padded_half(head_dim);
  }

  /// Adds sum_j u_j * c_(j,i) << shift of a block to sums[i] for `count` heads: the even elements first, the
  /// odd ones from padded_half on.
  template <uint32_t count>
  void add(const uint8_t* const (&weights)[count], const uint32_t (&shifts)[count],
           uint32_t* const (&sums)[count]) const {
    for (uint32_t n = 0; n < count; ++n) add_one(weights[n], shifts[n], sums[n]);
  }

 private:
  void add_one(const uint8_t* u, uint32_t shift, uint32_t* sums) const {
    // 16 slots * 255 * 15 fits 16 bits.
    constexpr uint32_t width = 2 * S::lanes;
    using U16 = typename S::U16;
    using Bytes = typename S::U16Bytes;
    for (uint32_t first = 0; first < slot_bytes; first += width) {
      const uint32_t left = slot_bytes - first < width ? slot_bytes - first : width;
      U16 even = {};
      U16 odd = {};
      for (uint32_t s = 0; s < block_slots; ++s) {
        Bytes bytes = {};
        if (left == width) {
          bytes = load_as<Bytes>(codes + s * slot_bytes + first);
        } else {
          std::memcpy(&bytes, codes + s * slot_bytes + first, left);
        }
        const U16 pairs = convert<U16>(bytes);
        even += (pairs & 15) * u[s];
        odd += (pairs >> 4) * u[s];
      }
      uint16_t evens[width];
      uint16_t odds[width];
      store_as(evens, even);
      store_as(odds, odd);
      uint32_t* out = sums + first;
      for (uint32_t i = 0; i < left; ++i) {
        out[i] += uint32_t{evens[i]} << shift;
        out[i + half] += uint32_t{odds[i]} << shift;
      }
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
