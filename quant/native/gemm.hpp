#pragma once
#include <cstdint>

#include "pool.hpp"

namespace accllm::quant {

/** A matrix in memory by its strides: element (i, j) is at data[i * rowStride + j * columnStride]. */
struct View {
  const float* data;
  int64_t rowStride;
  int64_t columnStride;
};

inline View rowMajor(const float* data, int64_t columns) { return {data, columns, 1}; }
inline View transposed(const float* data, int64_t columns) { return {data, 1, columns}; }

/** How much of k is summed at a time where nothing else is asked for. */
constexpr int64_t summedDepth = 256;

/**
 * C = A B, or C += A B: A is m by k, B k by n, C m by n row after row with `ldc` elements a row. Every
 * element is the sum, in order, of sums over `summed` of k each, in order as well, whatever the number of
 * threads.
 */
void multiply(Pool& pool, int64_t m, int64_t n, int64_t k, View a, View b, float* c, int64_t ldc, bool add,
              int64_t summed = summedDepth);

/**
 * C += X^T X, X k by n: the elements on C's diagonal and right of it, each as `multiply` sums it. What is
 * left of the diagonal is undefined.
 */
void addGram(Pool& pool, int64_t n, int64_t k, const float* x, float* c);

}  // namespace accllm::quant
