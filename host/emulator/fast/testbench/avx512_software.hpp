#pragma once

#include <immintrin.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>

/// \file
/// The AVX-512 intrinsics that simd/avx512.hpp uses, each in plain C++ after Intel's intrinsics guide, so
/// that a machine without them can execute that level's code. Being in the level's own namespace they hide
/// the compiler's; one that is missing here is an error of the compiler.

namespace accllm::emulator::fast {
namespace {

typedef int8_t Int8x64 __attribute__((vector_size(64)));
typedef uint8_t Uint8x64 __attribute__((vector_size(64)));
typedef int16_t Int16x32 __attribute__((vector_size(64)));
typedef uint16_t Uint16x32 __attribute__((vector_size(64)));
typedef int32_t Int32x16 __attribute__((vector_size(64)));
typedef uint32_t Uint32x16 __attribute__((vector_size(64)));
typedef int64_t Int64x8 __attribute__((vector_size(64)));
typedef uint64_t Uint64x8 __attribute__((vector_size(64)));
typedef uint8_t Uint8x16 __attribute__((vector_size(16)));
typedef int8_t Int8x16 __attribute__((vector_size(16)));
typedef uint16_t Uint16x16 __attribute__((vector_size(32)));
typedef int32_t Int32x8 __attribute__((vector_size(32)));

inline __m512i _mm512_setzero_si512() { return __m512i{}; }
inline __m512i _mm512_set1_epi32(int32_t x) { return __m512i(x - Int32x16{}); }
inline __m512i _mm512_set1_epi8(int8_t x) { return __m512i(x - Int8x64{}); }
inline __m512i _mm512_set1_epi64(int64_t x) { return __m512i(x - Int64x8{}); }
inline __m512d _mm512_set1_pd(double x) { return x - __m512d{}; }
inline __m512i _mm512_set_epi64(int64_t h, int64_t g, int64_t f, int64_t e, int64_t d, int64_t c, int64_t b,
                                int64_t a) {
  return __m512i(Int64x8{a, b, c, d, e, f, g, h});
}
inline __m512i _mm512_set_epi32(int32_t p, int32_t o, int32_t n, int32_t m, int32_t l, int32_t k, int32_t j,
                                int32_t i, int32_t h, int32_t g, int32_t f, int32_t e, int32_t d, int32_t c,
                                int32_t b, int32_t a) {
  return __m512i(Int32x16{a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p});
}
inline void _mm512_storeu_si512(void* to, __m512i x) { std::memcpy(to, &x, sizeof x); }
inline __m512i _mm512_loadu_si512(const void* from) {
  __m512i x;
  std::memcpy(&x, from, sizeof x);
  return x;
}

inline __m512i _mm512_xor_si512(__m512i a, __m512i b) { return a ^ b; }
inline __m512i _mm512_and_si512(__m512i a, __m512i b) { return a & b; }
inline __m512i _mm512_add_epi32(__m512i a, __m512i b) { return __m512i(Uint32x16(a) + Uint32x16(b)); }
inline __m512i _mm512_sub_epi32(__m512i a, __m512i b) { return __m512i(Uint32x16(a) - Uint32x16(b)); }
inline __m512i _mm512_slli_epi32(__m512i x, unsigned count) { return __m512i(Uint32x16(x) << count); }
inline __m512i _mm512_srai_epi32(__m512i x, unsigned count) { return __m512i(Int32x16(x) >> count); }
inline __m512i _mm512_srli_epi16(__m512i x, unsigned count) { return __m512i(Uint16x32(x) >> count); }
inline __m512i _mm512_mullo_epi16(__m512i a, __m512i b) { return __m512i(Uint16x32(a) * Uint16x32(b)); }
inline __m512i _mm512_add_epi64(__m512i a, __m512i b) { return __m512i(Uint64x8(a) + Uint64x8(b)); }
inline __m512i _mm512_srli_epi64(__m512i x, unsigned count) { return __m512i(Uint64x8(x) >> count); }
inline __m512i _mm512_slli_epi64(__m512i x, unsigned count) { return __m512i(Uint64x8(x) << count); }
inline __m512d _mm512_add_pd(__m512d a, __m512d b) { return a + b; }
inline __m512d _mm512_sub_pd(__m512d a, __m512d b) { return a - b; }
inline __m512d _mm512_mul_pd(__m512d a, __m512d b) { return a * b; }

inline uint64_t _mm512_cmpgt_epu8_mask(__m512i a, __m512i b) {
  uint64_t mask = 0;
  for (int i = 0; i < 64; ++i) mask |= uint64_t{Uint8x64(a)[i] > Uint8x64(b)[i]} << i;
  return mask;
}
/// Products of the low halves of the 64-bit lanes.
inline __m512i _mm512_mul_epi32(__m512i a, __m512i b) {
  Int64x8 product{};
  for (int i = 0; i < 8; ++i) product[i] = int64_t{Int32x16(a)[2 * i]} * Int32x16(b)[2 * i];
  return __m512i(product);
}
inline __m512i _mm512_mul_epu32(__m512i a, __m512i b) {
  Uint64x8 product{};
  for (int i = 0; i < 8; ++i) product[i] = uint64_t{Uint32x16(a)[2 * i]} * Uint32x16(b)[2 * i];
  return __m512i(product);
}
/// Four products of unsigned and signed bytes added to each lane, without saturation.
inline __m512i _mm512_dpbusd_epi32(__m512i sum, __m512i a, __m512i b) {
  Int32x16 result = Int32x16(sum);
  for (int i = 0; i < 64; ++i) result[i / 4] += int32_t{Uint8x64(a)[i]} * Int8x64(b)[i];
  return __m512i(result);
}
/// Two products of signed 16-bit halves added to each lane, without saturation.
inline __m512i _mm512_dpwssd_epi32(__m512i sum, __m512i a, __m512i b) {
  Int32x16 result = Int32x16(sum);
  for (int i = 0; i < 32; ++i) result[i / 2] += int32_t{Int16x32(a)[i]} * Int16x32(b)[i];
  return __m512i(result);
}

/// Within each 16 bytes; an index with its top bit set gives zero.
inline __m512i _mm512_shuffle_epi8(__m512i x, __m512i index) {
  Uint8x64 result{};
  for (int i = 0; i < 64; ++i) {
    const uint8_t from = Uint8x64(index)[i];
    result[i] = from & 0x80 ? 0 : Uint8x64(x)[i / 16 * 16 + (from & 15)];
  }
  return __m512i(result);
}
inline __m512i _mm512_permutex2var_epi64(__m512i a, __m512i index, __m512i b) {
  Int64x8 result{};
  for (int i = 0; i < 8; ++i) {
    const int64_t from = Int64x8(index)[i];
    result[i] = from & 8 ? Int64x8(b)[from & 7] : Int64x8(a)[from & 7];
  }
  return __m512i(result);
}
/// Neighbours from the same half of each 16 bytes of both, the lower halves or the upper ones.
template <class T>
T unpack_halves(T a, T b, int upper) {
  constexpr int count = 16 / sizeof(a[0]) / 2;
  T result{};
  for (int lane = 0; lane < 4; ++lane) {
    for (int i = 0; i < count; ++i) {
      result[2 * (lane * count + i)] = a[(2 * lane + upper) * count + i];
      result[2 * (lane * count + i) + 1] = b[(2 * lane + upper) * count + i];
    }
  }
  return result;
}
inline __m512i _mm512_unpacklo_epi32(__m512i a, __m512i b) {
  return __m512i(unpack_halves(Int32x16(a), Int32x16(b), 0));
}
inline __m512i _mm512_unpackhi_epi32(__m512i a, __m512i b) {
  return __m512i(unpack_halves(Int32x16(a), Int32x16(b), 1));
}
inline __m512i _mm512_unpacklo_epi64(__m512i a, __m512i b) {
  return __m512i(unpack_halves(Int64x8(a), Int64x8(b), 0));
}
inline __m512i _mm512_unpackhi_epi64(__m512i a, __m512i b) {
  return __m512i(unpack_halves(Int64x8(a), Int64x8(b), 1));
}
/// Two of a's 16 bytes, then two of b's, two bits of `from` each.
inline __m512i _mm512_shuffle_i32x4(__m512i a, __m512i b, int from) {
  Int64x8 result{};
  for (int i = 0; i < 8; ++i) result[i] = Int64x8(i < 4 ? a : b)[(from >> (i & 6) & 3) * 2 + i % 2];
  return __m512i(result);
}
inline __m512 _mm512_permutexvar_ps(__m512i index, __m512 x) {
  __m512 result{};
  for (int i = 0; i < 16; ++i) result[i] = x[Int32x16(index)[i] & 15];
  return result;
}
inline __m512i _mm512_mask_blend_epi32(uint16_t mask, __m512i a, __m512i b) {
  Int32x16 result{};
  for (int i = 0; i < 16; ++i) result[i] = mask >> i & 1 ? Int32x16(b)[i] : Int32x16(a)[i];
  return __m512i(result);
}
inline __m512i _mm512_mask_blend_epi16(uint32_t mask, __m512i a, __m512i b) {
  Int16x32 result{};
  for (int i = 0; i < 32; ++i) result[i] = mask >> i & 1 ? Int16x32(b)[i] : Int16x32(a)[i];
  return __m512i(result);
}
inline __m512i _mm512_i32gather_epi32(__m512i index, const void* table, int scale) {
  Int32x16 result{};
  for (int i = 0; i < 16; ++i) {
    std::memcpy(&result[i], static_cast<const char*>(table) + int64_t{Int32x16(index)[i]} * scale, 4);
  }
  return __m512i(result);
}

inline __m512i _mm512_broadcast_i32x4(__m128i x) {
  __m512i result;
  for (int i = 0; i < 4; ++i) std::memcpy(reinterpret_cast<char*>(&result) + 16 * i, &x, 16);
  return result;
}
inline __m256i _mm512_extracti64x4_epi64(__m512i x, int half) {
  __m256i result;
  std::memcpy(&result, reinterpret_cast<const char*>(&x) + 32 * half, sizeof result);
  return result;
}
inline __m512i _mm512_inserti64x4(__m512i x, __m256i half, int at) {
  std::memcpy(reinterpret_cast<char*>(&x) + 32 * at, &half, sizeof half);
  return x;
}
inline __m512i _mm512_castsi256_si512(__m256i low) { return _mm512_inserti64x4(__m512i{}, low, 0); }
inline __m256i _mm512_castsi512_si256(__m512i x) { return _mm512_extracti64x4_epi64(x, 0); }
inline __m512 _mm512_insertf32x8(__m512 x, __m256 half, int at) {
  std::memcpy(reinterpret_cast<char*>(&x) + 32 * at, &half, sizeof half);
  return x;
}
inline __m512 _mm512_castps256_ps512(__m256 low) { return _mm512_insertf32x8(__m512{}, low, 0); }

inline __m512i _mm512_cvtepu8_epi32(__m128i x) {
  return __m512i(__builtin_convertvector(Uint8x16(x), Int32x16));
}
inline __m512i _mm512_cvtepi8_epi32(__m128i x) {
  return __m512i(__builtin_convertvector(Int8x16(x), Int32x16));
}
inline __m512i _mm512_cvtepu16_epi32(__m256i x) {
  return __m512i(__builtin_convertvector(Uint16x16(x), Int32x16));
}
inline __m512 _mm512_cvtepi32_ps(__m512i x) { return __builtin_convertvector(Int32x16(x), __m512); }
inline __m512d _mm512_cvtepi32_pd(__m256i x) { return __builtin_convertvector(Int32x8(x), __m512d); }
inline __m256 _mm512_cvtpd_ps(__m512d x) { return __builtin_convertvector(x, __m256); }
/// To the nearest, ties to even; what no lane holds becomes the lowest integer.
inline __m512i _mm512_cvtps_epi32(__m512 x) {
  Int32x16 result{};
  for (int i = 0; i < 16; ++i) {
    const bool fits = x[i] >= -2147483648.0F && x[i] < 2147483648.0F;
    result[i] = fits ? static_cast<int32_t>(std::lrint(x[i])) : std::numeric_limits<int32_t>::min();
  }
  return __m512i(result);
}

}  // namespace
}  // namespace accllm::emulator::fast
