#pragma once

#include <cstdint>

#include "accllm/generated/format.hpp"

#ifdef ACCLLM_AP_INT
#include <ap_int.h>
#endif

/// \file
/// One beat: what a 512-bit port moves in a clock. `ap_uint<512>` where AMD's types are used (ACCLLM_AP_INT),
/// sixteen native words elsewhere, fifty times faster to simulate. Bit i of the beat is bit i % 32 of word i
/// / 32 in both.

namespace accel {

#ifdef ACCLLM_AP_INT

using Beat = ap_uint<512>;

inline uint32_t get_bits(const Beat& beat, uint32_t low, uint32_t width) {
#pragma HLS INLINE
  return static_cast<uint32_t>(ap_uint<32>(beat.range(low + width - 1, low)));
}

inline void set_bits(Beat& beat, uint32_t low, uint32_t width, uint32_t value) {
#pragma HLS INLINE
  beat.range(low + width - 1, low) = value;
}

inline Beat zero_beat() { return Beat(0); }

#else

struct alignas(beat_bytes) Beat {
  uint32_t words[beat_bytes / 4];
};

/// Bits low .. low + width - 1, width at most 32.
inline uint32_t get_bits(const Beat& beat, uint32_t low, uint32_t width) {
  const uint32_t word = low / 32;
  const uint32_t shift = low % 32;
  uint64_t pair = beat.words[word];
  if (shift + width > 32) pair |= static_cast<uint64_t>(beat.words[word + 1]) << 32;
  return static_cast<uint32_t>((pair >> shift) & ((uint64_t{1} << width) - 1));
}

/// Sets bits that do not cross a word.
inline void set_bits(Beat& beat, uint32_t low, uint32_t width, uint32_t value) {
  const uint32_t mask = static_cast<uint32_t>((uint64_t{1} << width) - 1);
  uint32_t& word = beat.words[low / 32];
  word = (word & ~(mask << (low % 32))) | ((value & mask) << (low % 32));
}

inline Beat zero_beat() { return Beat{}; }

#endif

constexpr uint32_t beat_words = beat_bytes / 4;

inline uint32_t get_word(const Beat& beat, uint32_t index) {
#pragma HLS INLINE
  return get_bits(beat, 32 * index, 32);
}

inline void set_word(Beat& beat, uint32_t index, uint32_t value) {
#pragma HLS INLINE
  set_bits(beat, 32 * index, 32, value);
}

constexpr uint32_t ceil_div(uint32_t a, uint32_t b) { return (a + b - 1) / b; }

}  // namespace accel
