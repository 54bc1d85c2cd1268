#pragma once

#include <arm_neon.h>

#include "vector.hpp"

/// \file
/// Advanced SIMD of AArch64, without optional extensions: four lanes.

namespace accllm::emulator::fast {
namespace {

struct Neon : VectorTypes<4> {
  /// The products are of signed bytes, so codes of eight bits are taken apart.
  static constexpr bool wide_dot = false;
  static constexpr int bias = 0;
  static constexpr int token_tile = 4;

  static U8 quad(const void* four) { return U8(vdupq_n_s32(load_as<int32_t>(four))); }
  static U8 chunk(const void* sixteen) { return load_as<U8>(sixteen); }
  static I32 dot(I32 sum, U8 positive, U8 other) {
    const int8x16_t a = int8x16_t(positive);
    const int8x16_t b = int8x16_t(other);
    const int16x8_t low = vmull_s8(vget_low_s8(a), vget_low_s8(b));
    const int16x8_t high = vmull_high_s8(a, b);
    return sum + I32(vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
  }
  static I32 dot_biased(I32 sum, U8 activations, U8 weights) { return dot(sum, activations, weights); }
  static U8 pick(U8 chunk, U8 index) { return U8(vqtbl1q_u8(uint8x16_t(chunk), uint8x16_t(index))); }
  static U8 spread(const uint8_t* bytes) {
    const U8 index = {0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3};
    return pick(quad(bytes), index);
  }
  static I32 widen(const uint8_t* bytes) {
    const uint8x8_t four = vcreate_u8(load_as<uint32_t>(bytes));
    return I32(vmovl_u16(vget_low_u16(vmovl_u8(four))));
  }
  static I32 widen(const uint16_t* words) { return I32(vmovl_u16(vld1_u16(words))); }

  struct Sum {
    int64x2_t low = vdupq_n_s64(0);
    int64x2_t high = vdupq_n_s64(0);

    void add_product(I32 a, I32 b) {
      const int32x4_t x = int32x4_t(a);
      const int32x4_t y = int32x4_t(b);
      low = vmlal_s32(low, vget_low_s32(x), vget_low_s32(y));
      high = vmlal_high_s32(high, x, y);
    }
    void store(int64_t* lanes) const {
      vst1q_s64(lanes, low);
      vst1q_s64(lanes + 2, high);
    }
  };

  static I32 dot_pairs(I32 sum, I32 a, I32 b) {
    const int16x8_t x = int16x8_t(a);
    const int16x8_t y = int16x8_t(b);
    const int32x4_t low = vmull_s16(vget_low_s16(x), vget_low_s16(y));
    const int32x4_t high = vmull_high_s16(x, y);
    return sum + I32(vpaddq_s32(low, high));
  }
  static F32 wide_to_float(I32 high, I32 low) {
    const int32x4_t h = int32x4_t(high);
    const int32x4_t l = int32x4_t(low);
    const float32x2_t a = vcvt_f32_f64(wide(vget_low_s32(h), vget_low_s32(l)));
    return F32(vcvt_high_f32_f64(a, wide(vget_high_s32(h), vget_high_s32(l))));
  }
  template <int distance>
  static F32 swap_lanes(F32 x) {
    static_assert(distance == 1 || distance == 2, "four lanes");
    return distance == 1 ? F32(vrev64q_f32(float32x4_t(x)))
                         : F32(vextq_f32(float32x4_t(x), float32x4_t(x), 2));
  }

  static I32 round(F32 x) { return I32(vcvtnq_s32_f32(float32x4_t(x))); }
  static F32 to_float(I32 x) { return F32(vcvtq_f32_s32(int32x4_t(x))); }
  static I32 gather(const uint32_t* table, I32 index) {
    I32 out;
    for (int i = 0; i < 4; ++i) out[i] = static_cast<int32_t>(table[index[i]]);
    return out;
  }
  template <int shift>
  static I32 multiply_shift(I32 a, I32 b, uint64_t rounding) {
    const uint32x4_t x = uint32x4_t(a);
    const uint32x4_t y = uint32x4_t(b);
    const uint64x2_t r = vdupq_n_u64(rounding);
    const uint64x2_t low = vmlal_u32(r, vget_low_u32(x), vget_low_u32(y));
    const uint64x2_t high = vmlal_high_u32(r, x, y);
    return I32(vcombine_u32(vshrn_n_u64(low, shift), vshrn_n_u64(high, shift)));
  }

 private:
  static float64x2_t wide(int32x2_t high, int32x2_t low) {
    // Exact, so that one rounding is left; not fused, though it would make no difference.
    const float64x2_t scaled = vmulq_n_f64(vcvtq_f64_s64(vmovl_s32(high)), 256.0);
    return vaddq_f64(scaled, vcvtq_f64_s64(vmovl_s32(low)));
  }
};

}  // namespace
}  // namespace accllm::emulator::fast
