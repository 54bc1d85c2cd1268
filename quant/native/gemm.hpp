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

/**
 * C = A B, or C += A B: A is m by k, B k by n, C m by n row after row with `ldc` elements a row. Every
 * element is one sum over k in order (in blocks of 256), whatever the number of threads.
 */
void multiply(Pool& pool, int64_t m, int64_t n, int64_t k, View a, View b, float* c, int64_t ldc, bool add);

}  // namespace accllm::quant
