#pragma once

#include "avx512.hpp"
#include "values.hpp"

/// \file
/// AVX-512's weighing of values.

namespace accllm::emulator::fast {
namespace {

/// Values a byte a code, four slots of an element in its 32-bit lane.
template <>
struct ValueCodes<Avx512> {
  static constexpr uint32_t quads = block_slots / 4;
  /// Elements of a block as sums keep them: whole vectors.
  uint32_t elements;
  /// Of each block the slots 0 to 3, 4 to 7 and so on. A vector is stored past the last element.
  uint32_t codes[value_blocks][quads][most_head_dim + Avx512::lanes];

  void load(uint32_t place, const uint8_t* block_codes, uint32_t head_dim) {
    constexpr uint32_t step = Avx512::lanes;
    const uint32_t slot_bytes = head_dim / 2;
    const uint32_t half = padded_half(head_dim);
    elements = 2 * half;
    uint8_t copy[block_slots * most_head_dim / 2 + step];
    if (slot_bytes % step != 0) {
      // The last slot's bytes may be the last of their buffer.
      std::memcpy(copy, block_codes, block_slots * slot_bytes);
      std::memset(copy + block_slots * slot_bytes, 0, step);
      block_codes = copy;
    }
    for (uint32_t quad = 0; quad < quads; ++quad) {
      uint32_t* out = codes[place][quad];
      // From the end, so that odd elements replace what even ones store past their half.
      for (uint32_t first = (slot_bytes - 1) / step * step;; first -= step) {
        const uint8_t* at = block_codes + 4 * quad * slot_bytes + first;
        Avx512::I32 bytes = {};
        for (uint32_t slot = 0; slot < 4; ++slot)
          bytes |= Avx512::widen(at + slot * slot_bytes) << (8 * slot);
        store_as(out + first, bytes & 0x0f0f0f0f);
        store_as(out + half + first, (bytes >> 4) & 0x0f0f0f0f);
        if (first == 0) break;
      }
    }
  }

  void add(const ValueStep* steps, uint32_t count, uint32_t* sums) const {
    uint32_t first = 0;
    for (; first + 4 * Avx512::lanes <= elements; first += 4 * Avx512::lanes)
      add_vectors<4>(first, steps, count, sums + first);
    for (; first < elements; first += Avx512::lanes) add_vectors<1>(first, steps, count, sums + first);
  }

 private:
  /// Adds to `width` vectors from element `first` on.
  template <uint32_t width>
  void add_vectors(uint32_t first, const ValueStep* steps, uint32_t count, uint32_t* sums) const {
    using U32 = Avx512::U32;
    U32 totals[width];
    for (uint32_t i = 0; i < width; ++i) totals[i] = load_as<U32>(sums + i * Avx512::lanes);
    for (uint32_t n = 0; n < count; ++n) {
      const auto& block = codes[steps[n].place];
      __m512i added[width];
      for (uint32_t i = 0; i < width; ++i) added[i] = _mm512_setzero_si512();
      for (uint32_t quad = 0; quad < quads; ++quad) {
        const auto four = __m512i(Avx512::quad(steps[n].weights + 4 * quad));
        for (uint32_t i = 0; i < width; ++i) {
          const auto values = load_as<__m512i>(block[quad] + first + i * Avx512::lanes);
          added[i] = _mm512_dpbusd_epi32(added[i], four, values);
        }
      }
      const U32 shift = U32{} + steps[n].shift;
      for (uint32_t i = 0; i < width; ++i)
        totals[i] = U32(in_place(__m512i(totals[i] + (U32(added[i]) << shift))));
    }
    for (uint32_t i = 0; i < width; ++i) store_as(sums + i * Avx512::lanes, totals[i]);
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
