#pragma once

#include "../cache_view.hpp"
#include "math.hpp"

/// \file
/// Operations on the vector of one head: rotations and the 4-bit cache's quantization.

namespace accllm::emulator::fast {
namespace {

/// RoPE; element i is paired with i + head_dim / 2.
inline void rope(const float* v, uint32_t head_dim, const Rotation& rotation, float* rotated) {
  const uint32_t half = head_dim / 2;
  for (uint32_t i = 0; i < half; ++i) {
    const float c = rotation.cosines[i];
    const float s = rotation.sines[i];
    rotated[i] = v[i] * c - v[i + half] * s;
    rotated[i + half] = v[i + half] * c + v[i] * s;
  }
}

/// One stage of the butterfly within a vector: sums where bit `distance` of the lane is clear, differences
/// elsewhere.
template <class S, int distance>
typename S::F32 hadamard_stage(typename S::F32 x) {
  using I32 = typename S::I32;
  I32 signs;
  for (int i = 0; i < S::lanes; ++i) signs[i] = (i & distance) != 0 ? INT32_MIN : 0;
  return S::template swap_lanes<distance>(x) + typename S::F32(I32(x) ^ signs);
}

/// All stages within a vector.
template <class S>
typename S::F32 butterfly_lanes(typename S::F32 x) {
  x = hadamard_stage<S, 2>(hadamard_stage<S, 1>(x));
  if constexpr (S::lanes > 4) x = hadamard_stage<S, 4>(x);
  if constexpr (S::lanes > 8) x = hadamard_stage<S, 8>(x);
  return x;
}

/// Largest power of two that divides the head size.
inline uint32_t hadamard_size(uint32_t head_dim) { return head_dim & (~head_dim + 1); }

/// Sums and differences of one or more elements and those a distance away.
template <class V>
void butterfly(float* low, float* high) {
  const V a = load_as<V>(low);
  const V b = load_as<V>(high);
  store_as(low, a + b);
  store_as(high, a - b);
}

/// The stages of 64 elements, in registers.
template <class S>
void hadamard_64(float* v) {
  using F32 = typename S::F32;
  constexpr int count = 64 / S::lanes;
  F32 x[count];
  for (int i = 0; i < count; ++i) x[i] = butterfly_lanes<S>(load_as<F32>(v + i * S::lanes));
  for (int distance = 1; distance < count; distance *= 2) {
    for (int i = 0; i < count; ++i) {
      if ((i & distance) != 0) continue;
      const F32 low = x[i];
      const F32 high = x[i + distance];
      x[i] = low + high;
      x[i + distance] = low - high;
    }
  }
  for (int i = 0; i < count; ++i) store_as(v + i * S::lanes, x[i]);
}

/// Hadamard rotation in place, in blocks of hadamard_size, not normalized.
template <class S>
void hadamard(float* v, uint32_t head_dim) {
  const uint32_t size = hadamard_size(head_dim);
  uint32_t length = 1;
  if (size >= 64) {
    for (uint32_t i = 0; i < head_dim; i += 64) hadamard_64<S>(v + i);
    length = 64;
  } else if (size >= S::lanes) {
    for (uint32_t i = 0; i < head_dim; i += S::lanes)
      store_as(v + i, butterfly_lanes<S>(load_as<typename S::F32>(v + i)));
    length = S::lanes;
  }
  for (; length < size; length *= 2) {
    for (uint32_t start = 0; start < head_dim; start += 2 * length) {
      float* low = v + start;
      float* high = low + length;
      if (length >= S::lanes) {
        for (uint32_t i = 0; i < length; i += S::lanes) butterfly<typename S::F32>(low + i, high + i);
      } else {
        for (uint32_t i = 0; i < length; ++i) butterfly<float>(low + i, high + i);
      }
    }
  }
}

/// float32 to float16 bits, to nearest even; saturates; zero is +0. x is finite.
inline uint32_t to_half(float x) {
  const uint32_t bits = static_cast<uint32_t>(bits_of_float(x));
  const uint32_t sign = (bits >> 16) & 0x8000u;
  const uint32_t magnitude = bits & 0x7fffffffu;
  uint32_t half;
  if (magnitude >= 0x477ff000u) {  // 65520, which would round to infinity
    half = 0x7bffu;
  } else if (magnitude >= 0x38800000u) {  // 2^-14, the smallest normal float16
    half = ((magnitude + 0xfffu + ((magnitude >> 13) & 1)) >> 13) - (112u << 10);
  } else {
    // Below 1024: adding 2^23 leaves no fraction bits.
    const float scaled = float_of_bits(static_cast<int32_t>(magnitude)) * 16777216.0f;
    half = static_cast<uint32_t>((scaled + 8388608.0f) - 8388608.0f);
  }
  return half == 0 ? 0 : (sign | half);
}

/// A number of float16 bits that to_half made.
template <class S>
float half_value(uint32_t half) {
  return from_half<S>(S::fill(static_cast<int32_t>(half)))[0];
}

/// Quantizes a vector to 4 bits into its slot. \return whether it is finite.
template <class S>
bool write_slot(const float* w, uint32_t head_dim, const SlotView& slot) {
  using F32 = typename S::F32;
  const bool finite = absmax_bits<S>(w, head_dim) < infinity_bits;
  uint32_t scale16 = 0;
  uint32_t minimum16 = 0;
  if (finite) {
    float low = w[0];
    float high = w[0];
    for (uint32_t i = 1; i < head_dim; ++i) {
      low = w[i] < low ? w[i] : low;
      high = w[i] > high ? w[i] : high;
    }
    scale16 = to_half((high - low) / 15.0f);
    minimum16 = to_half(low);
  }
  store_as(slot.pair, scale16 | (minimum16 << 16));
  if (scale16 == 0) {
    std::memset(slot.codes, 0, head_dim / 2);
    return finite;
  }
  const F32 minimum = S::fill(half_value<S>(minimum16));
  const float inverse = 1.0f / half_value<S>(scale16);
  const F32 zero = {};
  const F32 most = S::fill(15.0f);
  uint8_t codes[most_head_dim + 16];
  for (uint32_t i = 0; i < head_dim; i += S::lanes) {
    const uint32_t left = head_dim - i < S::lanes ? head_dim - i : S::lanes;
    const F32 x = (load_part<F32>(w + i, left) - minimum) * inverse;
    store_as(codes + i, convert<typename S::Bytes>(S::round(x < zero ? zero : (x > most ? most : x))));
  }
  for (uint32_t i = 0; i < head_dim / 2; ++i)
    slot.codes[i] = static_cast<uint8_t>(codes[2 * i] | (codes[2 * i + 1] << 4));
  return finite;
}

/// Rotates and quantizes one head's key (with its mean taken away, unless that is null) and value.
template <class S>
bool write_head(const float* key, const float* value, const float* mean, uint32_t head_dim, bool rotate,
                const Rotation& rotation, const SlotView& key_slot, const SlotView& value_slot) {
  float centered[most_head_dim];
  float v[most_head_dim];
  for (uint32_t i = 0; i < head_dim; ++i) centered[i] = mean == nullptr ? key[i] : key[i] - mean[i];
  rope(centered, head_dim, rotation, v);
  if (rotate) hadamard<S>(v, head_dim);
  const bool finite = write_slot<S>(v, head_dim, key_slot);
  std::memcpy(v, value, head_dim * sizeof(float));
  if (rotate) hadamard<S>(v, head_dim);
  return write_slot<S>(v, head_dim, value_slot) && finite;
}

}  // namespace
}  // namespace accllm::emulator::fast
