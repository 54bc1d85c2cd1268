#pragma once

#include "keys.hpp"

/// \file
/// Cached values, unpacked once for all query heads that weigh them.

namespace accllm::emulator::fast {
namespace {

/// Elements of half a vector, the even ones or the odd ones, as sums keep them: whole vectors of eight.
inline uint32_t padded_half(uint32_t head_dim) { return (head_dim / 2 + 7) & ~7u; }

/// Blocks whose values are unpacked at a time.
constexpr uint32_t value_blocks = 8;

/// What a row does with one of them: adds sum_j u_j * c_(j,i) << shift.
struct ValueStep {
  /// Its number among the unpacked ones.
  uint32_t place;
  uint32_t shift;
  const uint8_t* weights;
};

/// Codes of a few blocks of values. A level may have its own.
template <class S>
struct ValueCodes {
  const uint8_t* codes[value_blocks];
  uint32_t slot_bytes;
  uint32_t half;

  void load(uint32_t place, const uint8_t* block_codes, uint32_t head_dim) {
    codes[place] = block_codes;
    slot_bytes = head_dim / 2;
    half = padded_half(head_dim);
  }

  /// Takes the steps of a row, adding to sums[i]: the even elements first, the odd ones from padded_half on.
  void add(const ValueStep* steps, uint32_t count, uint32_t* sums) const {
    for (uint32_t n = 0; n < count; ++n) add_block(codes[steps[n].place], steps[n], sums);
  }

 private:
  void add_block(const uint8_t* block, const ValueStep& step, uint32_t* sums) const {
    // 16 slots * 255 * 15 fits 16 bits.
    constexpr uint32_t width = 2 * S::lanes;
    using U16 = typename S::U16;
    using Bytes = typename S::U16Bytes;
    const uint8_t* u = step.weights;
    for (uint32_t first = 0; first < slot_bytes; first += width) {
      const uint32_t left = slot_bytes - first < width ? slot_bytes - first : width;
      U16 even = {};
      U16 odd = {};
      for (uint32_t s = 0; s < block_slots; ++s) {
        Bytes bytes = {};
        if (left == width) {
          bytes = load_as<Bytes>(block + s * slot_bytes + first);
        } else {
          std::memcpy(&bytes, block + s * slot_bytes + first, left);
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
        out[i] += uint32_t{evens[i]} << step.shift;
        out[i + half] += uint32_t{odds[i]} << step.shift;
      }
    }
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
