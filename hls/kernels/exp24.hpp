#pragma once

#include "accllm/generated/format.hpp"
#include "accllm/number.hpp"

namespace accel {

/// round(2^24 * e^x) for x <= 0 to about 1e-6 relative; 0 below -25 / log2(e), for NaN and -infinity
/// (docs/numerics.md, "exp24"). A table of 256 powers and two terms of the series for the rest, all in
/// integers.
inline uint32_t exp24(float x) {
#pragma HLS INLINE
  const float t = x * float_of(0x3fb8aa3bu);  // log2(e)
  if (!(t > -25.0f)) return 0;
  const int32_t fixed = round_even(t * 1048576.0f);
  const int32_t n = fixed >> 20;  // floor; at most 0
  const uint32_t fraction = static_cast<uint32_t>(fixed) & 0xfffffu;
  const uint64_t base = exponential_table[fraction >> 12];
  const uint64_t z = (uint64_t{fraction & 0xfffu} * 45426u + 512u) >> 10;  // ln 2 in Q16
  const uint64_t l = z + ((z * z + (uint64_t{1} << 26)) >> 27);
  const uint64_t power = base + ((base * l + (uint64_t{1} << 25)) >> 26);
  const uint32_t shift = static_cast<uint32_t>(2 - n);
  return static_cast<uint32_t>((power + (uint64_t{1} << (shift - 1))) >> shift);
}

}  // namespace accel
