#pragma once

#include <cstdint>
#include <cstring>

/// \file
/// What every level shares: vector types with the compiler's own operators, loads, broadcasts and selections.
///
/// Everything that is compiled per level has internal linkage: an inline function of one level must never
/// stand in for that of another, which the machine may not be able to execute.

namespace accllm::emulator::fast {
namespace {

template <class T>
T load_as(const void* from) {
  T value;
  std::memcpy(&value, from, sizeof value);
  return value;
}

template <class T>
void store_as(void* to, T value) {
  std::memcpy(to, &value, sizeof value);
}

/// Lane by lane to another type.
template <class To, class From>
To convert(From x) {
  return __builtin_convertvector(x, To);
}

/// The nearest float32 of an integer below 2^51, which a double holds; in loops one of vectors.
inline float nearest_float(int64_t x) {
  // The bits of 1.5 * 2^52; the sum is that number plus x.
  constexpr int64_t magic_bits = 0x4338000000000000;
  const int64_t bits = x + magic_bits;
  return static_cast<float>(load_as<double>(&bits) - load_as<double>(&magic_bits));
}

/// Vectors of `count` 32-bit lanes. Comparisons yield lanes of 0 and -1.
template <int count>
struct VectorTypes {
  static constexpr int lanes = count;
  typedef float F32 __attribute__((vector_size(4 * count)));
  typedef int32_t I32 __attribute__((vector_size(4 * count)));
  typedef uint32_t U32 __attribute__((vector_size(4 * count)));
  typedef uint8_t U8 __attribute__((vector_size(4 * count)));

  /// As many narrower lanes.
  typedef uint8_t Bytes __attribute__((vector_size(count)));
  typedef int8_t SignedBytes __attribute__((vector_size(count)));
  typedef int16_t Shorts __attribute__((vector_size(2 * count)));
  /// A whole vector of 16-bit lanes, and as many bytes.
  typedef uint16_t U16 __attribute__((vector_size(4 * count)));
  typedef uint8_t U16Bytes __attribute__((vector_size(2 * count)));

  static F32 fill(float x) { return x - F32{}; }
  static I32 fill(int32_t x) { return x - I32{}; }
  static U8 fill_bytes(uint8_t x) { return x - U8{}; }
  /// x where it is larger, y elsewhere, with NaNs too. A level may have an instruction.
  static F32 larger(F32 x, F32 y) { return x > y ? x : y; }
};

}  // namespace
}  // namespace accllm::emulator::fast
