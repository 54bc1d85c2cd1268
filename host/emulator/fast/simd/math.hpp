#pragma once

#include "accllm/generated/format.hpp"
#include "vector.hpp"

/// \file
/// Conversions and the exponential of docs/numerics.md, lane by lane.

namespace accllm::emulator::fast {
namespace {

constexpr int32_t infinity_bits = 0x7f800000;
constexpr int32_t magnitude_mask = 0x7fffffff;
/// 2^-60: vectors below it quantize to zero.
constexpr int32_t zero_threshold_bits = 0x21800000;

inline float float_of_bits(int32_t bits) { return load_as<float>(&bits); }
inline int32_t bits_of_float(float x) { return load_as<int32_t>(&x); }

/// 2^e for -126 <= e <= 127.
inline float power_of_two(int32_t e) { return float_of_bits((e + 127) * (1 << 23)); }

/// floor(log2 x) of a normal x > 0.
inline int32_t exponent_of(float x) { return ((bits_of_float(x) & magnitude_mask) >> 23) - 127; }

/// float16 bits in the low halves of the lanes, the high halves zero, to float32; exact.
template <class S>
typename S::F32 from_half(typename S::I32 half) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  const I32 sign = (half & 0x8000) << 16;
  const I32 magnitude = (half & 0x7fff) << 13;
  // The exponent moves from a bias of 15 to one of 127; subnormals become normal on the way.
  const F32 number = F32(magnitude) * power_of_two(112);
  const I32 special = magnitude | infinity_bits;
  return F32(((magnitude >= (31 << 23)) ? special : I32(number)) | sign);
}

/// 2^-27 and one unit in its last place, which decides the one tie that there is.
constexpr float square_scale = 0x1.000002p-27f;

/// z of exp24: r ln 2 in Q16, for the twelve bits r of the exponent's fraction that the table has no entry
/// for: (r * 45426 + 512) >> 10.
constexpr int32_t residual_factor = 45426 / 2;
constexpr int32_t residual_rounding = 256;
constexpr int residual_shift = 9;

/// Whether float32 gives (z * z + 2^26) >> 27 of every z.
constexpr bool squares_agree() {
  for (int64_t r = 0; r < 4096; ++r) {
    const int64_t z = (r * residual_factor + residual_rounding) >> residual_shift;
    if (z != (r * 45426 + 512) >> 10) return false;
    const auto number = static_cast<float>(z);
    const float square = number * number * square_scale;
    // Adding 2^23 leaves no fraction bits.
    if (static_cast<int64_t>((square + 8388608.0f) - 8388608.0f) != (z * z + (1 << 26)) >> 27) return false;
  }
  return true;
}
static_assert(squares_agree(), "exp24's second term in float32");

/// Y of exp24 from T and l, `together` vectors at a time. A level may have its own.
template <class S>
struct ExponentialTable {
  static constexpr uint32_t together = 1;

  static void multiply(const typename S::I32* fixed, const typename S::I32* l, typename S::I32* power) {
    const auto base = S::gather(accel::exponential_table, (*fixed >> 12) & 0xff);
    *power = base + S::template multiply_shift<26>(base, *l, uint64_t{1} << 25);
  }
};

/// round(2^24 * e^x) for x <= 0: calls take(v, result) with what becomes of load(v), for v < vectors. In two
/// loops over a few vectors, so that many of them are under way at a time.
template <class S, class Load, class Take>
void exp24(uint32_t vectors, const Load& load, const Take& take) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  constexpr uint32_t together = ExponentialTable<S>::together;
  constexpr uint32_t width = 16;
  I32 fixed[width];
  I32 l[width];
  for (uint32_t first = 0; first < vectors; first += width) {
    const uint32_t count = vectors - first < width ? vectors - first : width;
    for (uint32_t n = 0; n < count; ++n) {
      const F32 t = load(first + n) * float_of_bits(0x3fb8aa3b);  // log2(e)
      // What becomes 0 does so by its exponent.
      fixed[n] = S::round((t > -25.0f ? t : S::fill(-30.0f)) * 1048576.0f);
      const I32 rounded =
          S::dot_pairs(S::fill(residual_rounding), fixed[n] & 0xfff, S::fill(residual_factor));
      const I32 z = rounded >> residual_shift;
      const F32 number = S::to_float(z);
      l[n] = z + S::round(number * number * square_scale);
    }
    for (uint32_t n = count; n % together != 0; ++n) fixed[n] = l[n] = I32{};
    for (uint32_t n = 0; n < count; n += together) {
      I32 power[together];
      ExponentialTable<S>::multiply(fixed + n, l + n, power);
      // (power + 2^(s - 1)) >> s, s being 2 - (fixed >> 20).
      for (uint32_t i = 0; i < together; ++i) power[i] = ((power[i] >> (1 - (fixed[n + i] >> 20))) + 1) >> 1;
      if (n + together <= count) {
        for (uint32_t i = 0; i < together; ++i) take(first + n + i, power[i]);
      } else {
        for (uint32_t i = 0; n + i < count; ++i) take(first + n + i, power[i]);
      }
    }
  }
}

/// The larger of each lane and that `distance` away.
template <class S, int distance>
typename S::I32 larger_pair(typename S::I32 x) {
  const auto other = typename S::I32(S::template swap_lanes<distance>(typename S::F32(x)));
  return x > other ? x : other;
}

/// The largest lane of a vector in all its lanes.
template <class S>
typename S::I32 largest_everywhere(typename S::I32 x) {
  x = larger_pair<S, 2>(larger_pair<S, 1>(x));
  if constexpr (S::lanes > 4) x = larger_pair<S, 4>(x);
  if constexpr (S::lanes > 8) x = larger_pair<S, 8>(x);
  return x;
}

/// Scale and its inverse of a symmetric quantization; both 0 where the vector counts as zero.
struct Quantizer {
  float scale = 0.0f;
  float inverse = 0.0f;
  bool finite;

  /// From the bits of the largest magnitude.
  Quantizer(int32_t largest_bits, float steps) : finite(largest_bits < infinity_bits) {
    if (!finite || largest_bits < zero_threshold_bits) return;
    const float largest = float_of_bits(largest_bits);
    scale = largest / steps;
    inverse = steps / largest;
  }
};

/// Bits of the largest magnitude among `count` values.
template <class S>
int32_t absmax_bits(const float* values, uint32_t count) {
  using I32 = typename S::I32;
  I32 largest = {};
  uint32_t i = 0;
  for (; i + S::lanes <= count; i += S::lanes) {
    const I32 magnitude = load_as<I32>(values + i) & magnitude_mask;
    largest = magnitude > largest ? magnitude : largest;
  }
  int32_t result = largest_everywhere<S>(largest)[0];
  for (; i < count; ++i) {
    const int32_t magnitude = bits_of_float(values[i]) & magnitude_mask;
    result = magnitude > result ? magnitude : result;
  }
  return result;
}

/// clamp(rne(x * inverse), -steps, steps).
template <class S>
typename S::I32 quantized(typename S::F32 x, float inverse, float steps) {
  using F32 = typename S::F32;
  const F32 least = S::fill(-steps);
  const F32 most = S::fill(steps);
  const F32 scaled = x * inverse;
  return S::round(scaled < least ? least : (scaled > most ? most : scaled));
}

/// Loads `count` < lanes values, the rest 0.
template <class V>
V load_part(const void* from, uint32_t count) {
  V value = {};
  std::memcpy(&value, from, count * 4);
  return value;
}

/// Quantizes values a few vectors at a time; Narrow is a vector of integers of type T. A level may have its
/// own.
template <class S, class Narrow, class T>
struct VectorQuantizer {
  /// \return how many values it quantized: all but less than S::lanes.
  static uint32_t run(const float* values, uint32_t count, float inverse, float steps, T* codes) {
    using F32 = typename S::F32;
    uint32_t i = 0;
    for (; i + S::lanes <= count; i += S::lanes)
      store_as(codes + i, convert<Narrow>(quantized<S>(load_as<F32>(values + i), inverse, steps)));
    return i;
  }
};

/// Quantizes `count` values to integers of type T; Narrow is a vector of them.
template <class S, class Narrow, class T>
void quantize_all(const float* values, uint32_t count, float inverse, float steps, T* codes) {
  using F32 = typename S::F32;
  if (inverse == 0.0f) {
    std::memset(codes, 0, count * sizeof(T));
    return;
  }
  const uint32_t i = VectorQuantizer<S, Narrow, T>::run(values, count, inverse, steps, codes);
  if (i == count) return;
  const auto last = convert<Narrow>(quantized<S>(load_part<F32>(values + i, count - i), inverse, steps));
  std::memcpy(codes + i, &last, (count - i) * sizeof(T));
}

}  // namespace
}  // namespace accllm::emulator::fast
