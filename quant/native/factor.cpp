// The inverse of a Hessian as a product of triangles, block by block. Every element is the same sum in the
// same order whatever the blocks and the number of threads.

#include <algorithm>
#include <cmath>

#include "gptq.hpp"
#include "hot.hpp"

namespace accllm::quant {

namespace {

/** Columns that are done at a time; a multiple of `lanes`. */
constexpr int64_t block = 64;
/** Partial sums of a dot product: of every eighth place each. */
constexpr int lanes = 8;
/** Places of a dot product, or rows of the inverse, that stay in the cache meanwhile. */
constexpr int64_t depth = 512;
/** Rows that share what is in the cache. */
constexpr int64_t rowChunk = 12;

using Vector4 = double __attribute__((vector_size(32), aligned(8)));

constexpr int tileRows = 3;
constexpr int tileColumns = 2;

/** sums[i][j] += the products of rows i and columns j, lane by lane; `count` is a multiple of `lanes`. */
ACCLLM_HOT void addLanes(const double* const* rows, const double* const* columns, int64_t count,
                         double* const* sums) {
  constexpr int tiles = tileRows * tileColumns;
  Vector4 low[tiles];
  Vector4 high[tiles];
#pragma GCC unroll 6
  for (int t = 0; t < tiles; t++) {
    low[t] = *reinterpret_cast<const Vector4*>(sums[t]);
    high[t] = *reinterpret_cast<const Vector4*>(sums[t] + 4);
  }
  for (int64_t k = 0; k < count; k += lanes) {
#pragma GCC unroll 6
    for (int t = 0; t < tiles; t++) {
      const double* a = rows[t / tileColumns] + k;
      const double* b = columns[t % tileColumns] + k;
      low[t] += *reinterpret_cast<const Vector4*>(a) * *reinterpret_cast<const Vector4*>(b);
      high[t] += *reinterpret_cast<const Vector4*>(a + 4) * *reinterpret_cast<const Vector4*>(b + 4);
    }
  }
#pragma GCC unroll 6
  for (int t = 0; t < tiles; t++) {
    *reinterpret_cast<Vector4*>(sums[t]) = low[t];
    *reinterpret_cast<Vector4*>(sums[t] + 4) = high[t];
  }
}

/** A dot product whose whole lanes before `a` and `b` are in `before`. */
ACCLLM_HOT double finishDot(const double* before, const double* a, const double* b, int64_t count) {
  double partial[lanes];
  std::copy_n(before, lanes, partial);
  int64_t i = 0;
  for (; i + lanes <= count; i += lanes)
    for (int l = 0; l < lanes; l++) partial[l] += a[i + l] * b[i + l];
  double sum = 0;
  for (; i < count; i++) sum += a[i] * b[i];
  for (double value : partial) sum += value;
  return sum;
}

/** Rows of a Cholesky factor, columns `first` to `last`; what is left of them is done. */
class FactorRows {
 public:
  /** @param floor the least square of a pivot. */
  FactorRows(double* l, int64_t n, int64_t first, int64_t last, double floor)
      : l_(l), n_(n), first_(first), last_(last), floor_(floor) {}

  /** @param begin, end rows; at most `rowChunk`, or those of the diagonal block from its first on. */
  void run(int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; row += rowChunk) {
      const int64_t some = std::min(rowChunk, end - row);
      sumLanes(row, some);
      for (int64_t i = row; i < row + some; i++) finishRow(i, &sums_[(i - row) * block * lanes]);
    }
  }

 private:
  void sumLanes(int64_t row, int64_t count) {
    sums_.assign(rowChunk * block * lanes, 0);
    const int64_t columns = last_ - first_;
    for (int64_t k = 0; k < first_; k += depth)
      for (int64_t i = 0; i < count; i += tileRows)
        for (int64_t j = 0; j < columns; j += tileColumns) {
          const double* rows[tileRows];
          const double* others[tileColumns];
          double* sums[tileRows * tileColumns];
          // Past the end the last one is repeated; what it adds up to is not looked at.
          for (int r = 0; r < tileRows; r++) rows[r] = l_ + (row + std::min(i + r, count - 1)) * n_ + k;
          for (int c = 0; c < tileColumns; c++)
            others[c] = l_ + (first_ + std::min(j + c, columns - 1)) * n_ + k;
          for (int t = 0; t < tileRows * tileColumns; t++)
            sums[t] = &sums_[((i + t / tileColumns) * block + j + t % tileColumns) * lanes];
          addLanes(rows, others, std::min(depth, first_ - k), sums);
        }
  }

  void finishRow(int64_t i, const double* sums) {
    double* row = l_ + i * n_;
    for (int64_t j = first_; j < std::min(last_, i + 1); j++) {
      const double* other = l_ + j * n_;
      const double rest =
          row[j] - finishDot(sums + (j - first_) * lanes, row + first_, other + first_, j - first_);
      // Positive but for rounding, thanks to the damping.
      row[j] = i == j ? std::sqrt(std::max(rest, floor_)) : rest / other[j];
    }
  }

  double* l_;
  int64_t n_, first_, last_;
  double floor_;
  std::vector<double> sums_;
};

void cholesky(Pool& pool, std::vector<double>& l, int64_t n, double floor) {
  for (int64_t first = 0; first < n; first += block) {
    const int64_t last = std::min(n, first + block);
    // The diagonal block's rows need one another.
    for (int64_t i = first; i < last; i++) FactorRows(l.data(), n, first, last, floor).run(i, i + 1);
    pool.run(n - last, rowChunk, [&](int64_t begin, int64_t end) {
      FactorRows(l.data(), n, first, last, floor).run(last + begin, last + end);
    });
  }
}

constexpr int solveRows = 6;

/** `solveRows` rows of eight columns, `stride` from one another, less factors[i][k] times row k of `done`. */
ACCLLM_HOT void subtractRows(const double* factors, int64_t n, const double* done, int64_t count,
                             double* rows) {
  Vector4 low[solveRows];
  Vector4 high[solveRows];
#pragma GCC unroll 6
  for (int i = 0; i < solveRows; i++) {
    low[i] = *reinterpret_cast<const Vector4*>(rows + i * block);
    high[i] = *reinterpret_cast<const Vector4*>(rows + i * block + 4);
  }
  for (int64_t k = 0; k < count; k++) {
    const Vector4 first = *reinterpret_cast<const Vector4*>(done + k * block);
    const Vector4 second = *reinterpret_cast<const Vector4*>(done + k * block + 4);
#pragma GCC unroll 6
    for (int i = 0; i < solveRows; i++) {
      low[i] -= factors[i * n + k] * first;
      high[i] -= factors[i * n + k] * second;
    }
  }
#pragma GCC unroll 6
  for (int i = 0; i < solveRows; i++) {
    *reinterpret_cast<Vector4*>(rows + i * block) = low[i];
    *reinterpret_cast<Vector4*>(rows + i * block + 4) = high[i];
  }
}

ACCLLM_HOT void subtractRow(double factor, const double* done, double* row) {
  for (int64_t j = 0; j < block; j++) row[j] -= factor * done[j];
}

/** `block` columns of the inverse of a lower triangle, from the row on in which they begin. */
void invertColumns(const std::vector<double>& l, int64_t n, int64_t first, std::vector<double>& inverse) {
  const int64_t count = n - first;
  inverse.assign(count * block, 0);
  for (int64_t i = 0; i < std::min(block, count); i++) inverse[i * block + i] = 1;
  const auto factors = [&](int64_t i, int64_t k) { return &l[(first + i) * n + first + k]; };
  for (int64_t start = 0; start < count; start += block) {
    const int64_t end = std::min(count, start + block);
    const int64_t whole = start + (end - start) / solveRows * solveRows;
    for (int64_t k = 0; k < start; k += depth) {
      const int64_t some = std::min(depth, start - k);
      for (int64_t i = start; i < whole; i += solveRows)
        for (int64_t j = 0; j < block; j += 8)
          subtractRows(factors(i, k), n, &inverse[k * block + j], some, &inverse[i * block + j]);
      for (int64_t i = whole; i < end; i++)
        for (int64_t p = k; p < k + some; p++)
          subtractRow(*factors(i, p), &inverse[p * block], &inverse[i * block]);
    }
    for (int64_t i = start; i < end; i++) {
      for (int64_t k = start; k < i; k++)
        subtractRow(*factors(i, k), &inverse[k * block], &inverse[i * block]);
      for (int64_t j = 0; j < block; j++) inverse[i * block + j] /= *factors(i, i);
    }
  }
}

}  // namespace

std::vector<float> inverseFactor(Pool& pool, const std::vector<float>& hessian, int64_t n) {
  double mean = 0;
  for (int64_t i = 0; i < n; i++) mean += hessian[i * n + i] / static_cast<double>(n);
  // With rows and columns reversed, H = L L^T gives the inverse as U^T U with U the reverse of L's inverse.
  std::vector<double> l(n * n);
  for (int64_t i = 0; i < n; i++)
    for (int64_t j = 0; j <= i; j++) l[i * n + j] = hessian[(n - 1 - i) * n + n - 1 - j];
  cholesky(pool, l, n, 1e-12 * mean);
  std::vector<float> upper(n * n);
  pool.run(n, block, [&](int64_t begin, int64_t end) {
    thread_local std::vector<double> inverse;
    invertColumns(l, n, begin, inverse);
    for (int64_t i = begin; i < n; i++)
      for (int64_t j = begin; j < std::min(end, i + 1); j++)
        upper[(n - 1 - i) * n + n - 1 - j] = static_cast<float>(inverse[(i - begin) * block + j - begin]);
  });
  return upper;
}

}  // namespace accllm::quant
