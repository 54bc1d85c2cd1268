#include "gemm.hpp"

#include <algorithm>
#include <vector>

namespace accllm::quant {

namespace {

constexpr int64_t depthBlock = 256;
constexpr int64_t rowBlock = 96;

using Vector8 = float __attribute__((vector_size(32), aligned(4)));
using Vector16 = float __attribute__((vector_size(64), aligned(4)));

/** An mr by nr tile of sums over packed panels: a [depth][mr], b [depth][nr]. */
using Tile = void (*)(int64_t depth, const float* a, const float* b, float* out);

template <typename Vector, int mr, int vectors>
[[gnu::always_inline]] inline void tile(int64_t depth, const float* a, const float* b, float* out) {
  constexpr int lanes = sizeof(Vector) / sizeof(float);
  Vector sums[mr][vectors] = {};
  for (int64_t p = 0; p < depth; p++) {
    for (int v = 0; v < vectors; v++) {
      const Vector right = *reinterpret_cast<const Vector*>(b + p * lanes * vectors + v * lanes);
      for (int i = 0; i < mr; i++) sums[i][v] += a[p * mr + i] * right;
    }
  }
  for (int i = 0; i < mr; i++)
    for (int v = 0; v < vectors; v++)
      *reinterpret_cast<Vector*>(out + (i * vectors + v) * lanes) = sums[i][v];
}

struct Kernel {
  int64_t mr;
  int64_t nr;
  Tile run;
};

constexpr int64_t maxTile = 8 * 32;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void tile512(int64_t depth, const float* a, const float* b, float* out) {
  tile<Vector16, 8, 2>(depth, a, b, out);
}
__attribute__((target("avx2,fma"))) void tile256(int64_t depth, const float* a, const float* b, float* out) {
  tile<Vector8, 6, 2>(depth, a, b, out);
}
#endif
void tileAny(int64_t depth, const float* a, const float* b, float* out) {
  tile<Vector8, 4, 1>(depth, a, b, out);
}

Kernel chooseKernel() {
#if defined(__x86_64__)
  if (__builtin_cpu_supports("avx512f")) return {8, 32, tile512};
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return {6, 16, tile256};
#endif
  return {4, 8, tileAny};
}

/** Strips of `width` lines, each [depth][width]; lines past `count` are zero. */
void pack(const float* data, int64_t line, int64_t along, int64_t count, int64_t depth, int64_t width,
          float* out) {
  for (int64_t start = 0; start < count; start += width) {
    const int64_t used = std::min(width, count - start);
    for (int64_t p = 0; p < depth; p++) {
      const float* from = data + start * line + p * along;
      for (int64_t i = 0; i < used; i++) out[i] = from[i * line];
      for (int64_t i = used; i < width; i++) out[i] = 0;
      out += width;
    }
  }
}

}  // namespace

void multiply(Pool& pool, int64_t m, int64_t n, int64_t k, View a, View b, float* c, int64_t ldc, bool add) {
  static const Kernel kernel = chooseKernel();
  const auto [mr, nr, run] = kernel;
  const int64_t strips = (n + nr - 1) / nr;
  std::vector<float> right(strips * nr * std::min(k, depthBlock));
  for (int64_t p = 0; p < k; p += depthBlock) {
    const int64_t depth = std::min(depthBlock, k - p);
    const bool accumulate = add || p > 0;
    pool.run(strips, 8, [&, nr = nr](int64_t begin, int64_t end) {
      const float* from = b.data + p * b.rowStride + begin * nr * b.columnStride;
      pack(from, b.columnStride, b.rowStride, std::min(n, end * nr) - begin * nr, depth, nr,
           right.data() + begin * nr * depth);
    });
    pool.run((m + rowBlock - 1) / rowBlock, 1, [&, mr = mr, nr = nr, run = run](int64_t begin, int64_t) {
      thread_local std::vector<float> left;
      const int64_t row = begin * rowBlock;
      const int64_t rows = std::min(rowBlock, m - row);
      left.resize((rows + mr - 1) / mr * mr * depth);
      pack(a.data + row * a.rowStride + p * a.columnStride, a.rowStride, a.columnStride, rows, depth, mr,
           left.data());
      alignas(64) float sums[maxTile];
      for (int64_t j = 0; j < n; j += nr) {
        const int64_t width = std::min(nr, n - j);
        for (int64_t i = 0; i < rows; i += mr) {
          run(depth, left.data() + i * depth, right.data() + j * depth, sums);
          const int64_t height = std::min(mr, rows - i);
          for (int64_t r = 0; r < height; r++) {
            float* to = c + (row + i + r) * ldc + j;
            const float* from = sums + r * nr;
            if (accumulate)
              for (int64_t s = 0; s < width; s++) to[s] += from[s];
            else
              for (int64_t s = 0; s < width; s++) to[s] = from[s];
          }
        }
      }
    });
  }
}

}  // namespace accllm::quant
