#pragma once

#include <cstdint>
#include <type_traits>

#ifdef ACCLLM_AP_INT
#include <ap_int.h>
#endif

/// \file
/// Number types of the datapath, by width. The engines are templates over them: native integers simulate
/// fifty times faster, exact ones have the width of the hardware and show what does not fit.

namespace accel {

/// The native integer that holds W bits.
struct NativeNumbers {
  template <int W>
  using Int = std::conditional_t<
      (W <= 8), int8_t,
      std::conditional_t<(W <= 16), int16_t, std::conditional_t<(W <= 32), int32_t, int64_t>>>;
};

#ifdef ACCLLM_AP_INT

/// AMD's integers of exactly W bits; they wrap.
struct ExactNumbers {
  template <int W>
  using Int = ap_int<W>;
};

#endif

/// What the kernel is built with.
#ifdef ACCLLM_AP_INT
using Numbers = ExactNumbers;
#else
using Numbers = NativeNumbers;
#endif

/// Bits that a signed number needs for magnitudes up to `largest`.
constexpr int signed_bits(uint64_t largest) {
  int bits = 1;
  while (largest > 0) {
    largest >>= 1;
    ++bits;
  }
  return bits;
}

}  // namespace accel
