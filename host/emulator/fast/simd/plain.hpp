#pragma once

#include "vector.hpp"

/// \file
/// C++ without intrinsics: four lanes in the compiler's portable vectors.

namespace accllm::emulator::fast {
namespace {

struct Plain : VectorTypes<4> {
  static constexpr bool wide_dot = true;
  static constexpr int bias = 0;
  static constexpr int token_tile = 1;
  typedef int8_t S8 __attribute__((vector_size(16)));

  static U8 quad(const void* four) {
    const int32_t word = load_as<int32_t>(four);
    return U8(I32{word, word, word, word});
  }
  static U8 chunk(const void* sixteen) { return load_as<U8>(sixteen); }
  static I32 dot(I32 sum, U8 positive, U8 other) { return add_dot(sum, positive, S8(other)); }
  static I32 dot_biased(I32 sum, U8 activations, U8 weights) {
    return add_dot(sum, S8(activations), S8(weights));
  }
  static U8 pick(U8 chunk, U8 index) {
    U8 out;
    for (int i = 0; i < 16; ++i) out[i] = chunk[index[i]];
    return out;
  }
  static U8 spread(const uint8_t* bytes) {
    U8 out;
    for (int i = 0; i < 16; ++i) out[i] = bytes[i / 4];
    return out;
  }
  static I32 widen(const uint8_t* bytes) { return I32{bytes[0], bytes[1], bytes[2], bytes[3]}; }
  static I32 widen(const uint16_t* words) { return I32{words[0], words[1], words[2], words[3]}; }

  struct Sum {
    int64_t lane[4] = {};

    void add_product(I32 a, I32 b) {
      for (int i = 0; i < 4; ++i) lane[i] += int64_t{a[i]} * b[i];
    }
    void store(int64_t* lanes) const { std::memcpy(lanes, lane, sizeof lane); }
  };

  static I32 dot_pairs(I32 sum, I32 a, I32 b) {
    for (int i = 0; i < 4; ++i) {
      const int32_t low = static_cast<int16_t>(a[i]) * static_cast<int16_t>(b[i]);
      sum[i] += low + (a[i] >> 16) * (b[i] >> 16);
    }
    return sum;
  }
  static F32 wide_to_float(I32 high, I32 low) {
    F32 out;
    for (int i = 0; i < 4; ++i) out[i] = static_cast<float>(256 * int64_t{high[i]} + low[i]);
    return out;
  }
  template <int distance>
  static F32 swap_lanes(F32 x) {
    return F32{x[0 ^ distance], x[1 ^ distance], x[2 ^ distance], x[3 ^ distance]};
  }

  static I32 round(F32 x) {
    I32 out;
    for (int i = 0; i < 4; ++i) {
      // Adding 2^23 leaves no fraction bits.
      constexpr float two23 = 8388608.0f;
      const float magnitude = x[i] < 0.0f ? -x[i] : x[i];
      const float rounded = magnitude < two23 ? (magnitude + two23) - two23 : magnitude;
      out[i] = static_cast<int32_t>(x[i] < 0.0f ? -rounded : rounded);
    }
    return out;
  }
  static F32 to_float(I32 x) {
    return F32{static_cast<float>(x[0]), static_cast<float>(x[1]), static_cast<float>(x[2]),
               static_cast<float>(x[3])};
  }
  static I32 gather(const uint32_t* table, I32 index) {
    I32 out;
    for (int i = 0; i < 4; ++i) out[i] = static_cast<int32_t>(table[index[i]]);
    return out;
  }
  template <int shift>
  static I32 multiply_shift(I32 a, I32 b, uint64_t rounding) {
    I32 out;
    for (int i = 0; i < 4; ++i) {
      const uint64_t product = uint64_t{static_cast<uint32_t>(a[i])} * static_cast<uint32_t>(b[i]);
      out[i] = static_cast<int32_t>((product + rounding) >> shift);
    }
    return out;
  }

 private:
  template <class A, class B>
  static I32 add_dot(I32 sum, A a, B b) {
    for (int i = 0; i < 4; ++i) {
      for (int j = 0; j < 4; ++j) sum[i] += a[4 * i + j] * b[4 * i + j];
    }
    return sum;
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
