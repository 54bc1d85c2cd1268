#include "gemm.hpp"

#include <algorithm>
#include <vector>

namespace accllm::quant {

namespace {

/** Rows of a packed panel, about. */
constexpr int64_t leastDepth = 256;
constexpr int64_t rowBlock = 96;

using Vector8 = float __attribute__((vector_size(32), aligned(4)));
using Vector16 = float __attribute__((vector_size(64), aligned(4)));

/** An mr by nr tile of sums over packed panels, a [depth][mr] and b [depth][nr], set in or added to c. */
using Tile = void (*)(int64_t depth, const float* a, const float* b, float* c, int64_t ldc, bool add);

template <typename Vector, int mr, int vectors>
[[gnu::always_inline]] inline void tile(int64_t depth, const float* a, const float* b, float* c, int64_t ldc,
                                        bool add) {
  constexpr int lanes = sizeof(Vector) / sizeof(float);
  constexpr int count = mr * vectors;
  // Loops over the sums are unrolled, so that they stay in registers.
  Vector sums[count];
#pragma GCC unroll 16
  for (int i = 0; i < count; i++) {
    sums[i] = Vector{};
    __builtin_prefetch(c + i / vectors * ldc + i % vectors * lanes, 1);
  }
  for (int64_t p = 0; p < depth; p++) {
    Vector right[vectors];
#pragma GCC unroll 2
    for (int v = 0; v < vectors; v++)
      right[v] = *reinterpret_cast<const Vector*>(b + p * lanes * vectors + v * lanes);
      // Row by row: one broadcast at a time takes a register beside them.
#pragma GCC unroll 16
    for (int i = 0; i < count; i++) sums[i] += a[p * mr + i / vectors] * right[i % vectors];
  }
#pragma GCC unroll 16
  for (int i = 0; i < count; i++) {
    Vector* to = reinterpret_cast<Vector*>(c + i / vectors * ldc + i % vectors * lanes);
    *to = add ? *to + sums[i] : sums[i];
  }
}

struct Kernel {
  int64_t mr;
  int64_t nr;
  Tile run;
};

constexpr int64_t maxTile = 8 * 32;

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void tile512(int64_t depth, const float* a, const float* b, float* c,
                                                int64_t ldc, bool add) {
  tile<Vector16, 8, 2>(depth, a, b, c, ldc, add);
}
__attribute__((target("avx2,fma"))) void tile256(int64_t depth, const float* a, const float* b, float* c,
                                                 int64_t ldc, bool add) {
  tile<Vector8, 6, 2>(depth, a, b, c, ldc, add);
}
#endif
void tileAny(int64_t depth, const float* a, const float* b, float* c, int64_t ldc, bool add) {
  tile<Vector8, 4, 1>(depth, a, b, c, ldc, add);
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

/** Room for panels that starts at a cache line. */
class Panel {
 public:
  float* resize(size_t count) {
    constexpr size_t line = 64;
    storage_.resize(count + line / sizeof(float));
    const auto at = reinterpret_cast<uintptr_t>(storage_.data());
    return storage_.data() + ((at + line - 1) / line * line - at) / sizeof(float);
  }

 private:
  std::vector<float> storage_;
};

/** What a product is of; see gemm.hpp. */
struct Product {
  int64_t m, n, k;
  View a, b;
  float* c;
  int64_t ldc;
  bool add;
  /** How much of k is one sum. */
  int64_t summed;
  /** Only what is on the diagonal or right of it, and some of what is left of it, is wanted. */
  bool upper;
};

/** A tile's sums over packed panels; `rows` and `width` are less than the tile's at the edges of c. */
void addTile(const Kernel& kernel, const Product& product, int64_t depth, bool add, const float* left,
             const float* right, float* c, int64_t rows, int64_t width) {
  const auto [mr, nr, run] = kernel;
  alignas(64) float sums[maxTile];
  for (int64_t p = 0; p < depth; p += product.summed) {
    const int64_t some = std::min(product.summed, depth - p);
    const bool onTop = add || p > 0;
    if (rows == mr && width == nr) {
      run(some, left + p * mr, right + p * nr, c, product.ldc, onTop);
      continue;
    }
    run(some, left + p * mr, right + p * nr, sums, nr, false);
    for (int64_t r = 0; r < rows; r++)
      for (int64_t s = 0; s < width; s++)
        c[r * product.ldc + s] = onTop ? c[r * product.ldc + s] + sums[r * nr + s] : sums[r * nr + s];
  }
}

void run(Pool& pool, const Product& product) {
  static const Kernel kernel = chooseKernel();
  const auto& [m, n, k, a, b, c, ldc, adds, summed, upper] = product;
  const int64_t mr = kernel.mr;
  const int64_t nr = kernel.nr;
  const int64_t strips = (n + nr - 1) / nr;
  const int64_t depthBlock = std::max(leastDepth / summed, int64_t{1}) * summed;
  Panel panel;
  float* const right = panel.resize(strips * nr * std::min(k, depthBlock));
  for (int64_t p = 0; p < k; p += depthBlock) {
    const int64_t depth = std::min(depthBlock, k - p);
    const bool add = adds || p > 0;
    pool.run(strips, 8, [&](int64_t begin, int64_t end) {
      const float* from = b.data + p * b.rowStride + begin * nr * b.columnStride;
      pack(from, b.columnStride, b.rowStride, std::min(n, end * nr) - begin * nr, depth, nr,
           right + begin * nr * depth);
    });
    pool.run((m + rowBlock - 1) / rowBlock, 1, [&](int64_t begin, int64_t) {
      thread_local Panel leftPanel;
      const int64_t row = begin * rowBlock;
      const int64_t rows = std::min(rowBlock, m - row);
      float* const left = leftPanel.resize((rows + mr - 1) / mr * mr * depth);
      pack(a.data + row * a.rowStride + p * a.columnStride, a.rowStride, a.columnStride, rows, depth, mr,
           left);
      for (int64_t j = upper ? row / nr * nr : 0; j < n; j += nr)
        for (int64_t i = 0; i < rows; i += mr)
          addTile(kernel, product, depth, add, left + i * depth, right + j * depth, c + (row + i) * ldc + j,
                  std::min(mr, rows - i), std::min(nr, n - j));
    });
  }
}

}  // namespace

void multiply(Pool& pool, int64_t m, int64_t n, int64_t k, View a, View b, float* c, int64_t ldc, bool add,
              int64_t summed) {
  run(pool, {m, n, k, a, b, c, ldc, add, summed, false});
}

void addGram(Pool& pool, int64_t n, int64_t k, const float* x, float* c) {
  run(pool, {n, n, k, transposed(x, n), rowMajor(x, n), c, n, true, summedDepth, true});
}

}  // namespace accllm::quant
