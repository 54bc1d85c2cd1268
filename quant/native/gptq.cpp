#include "gptq.hpp"

#include <algorithm>
#include <cmath>

#include "gemm.hpp"
#include "grid.hpp"
#include "hot.hpp"
#include "order.hpp"
#include "refine.hpp"

namespace accllm::quant {

namespace {

constexpr float magic = 12582912.0f;

/** One group of one row while its columns are done one after the other. */
struct RowGroup {
  float* weights;
  /** Upper factor of the inverse Hessian from the group's first row and column on. */
  const float* factor;
  int64_t stride;
  int count;
  const Format& format;
  GroupGrid grid;

  float rounded(int j) const {
    if (grid.scale == 0) return 0;
    const float code = (weights[j] / grid.scale + grid.zero + magic) - magic;
    const float inside = std::min(std::max(code, 0.0f), static_cast<float>(format.maxCode));
    return grid.scale * (inside - grid.zero);
  }
  /** What an error of this weight costs. */
  float cost(int j, float error) const {
    const float e = error / factor[j * stride + j];
    return e * e;
  }
};

/** Keeps the two of four, from column j on, for which `gain` is largest; the first among equals. */
template <typename Gain>
void keepTwo(int j, int count, uint8_t* keep, Gain gain) {
  float gains[4];
  for (int i = 0; i < 4; i++) {
    gains[i] = j + i < count ? gain(j + i) : -INFINITY;
    if (j + i < count) keep[j + i] = 0;
  }
  for (int kept = 0; kept < 2; kept++) {
    const int best = static_cast<int>(std::max_element(gains, gains + 4) - gains);
    if (j + best < count) keep[j + best] = 1;
    gains[best] = -INFINITY;
  }
}

ACCLLM_HOT void pushError(float error, const float* factor, int count, float* weights) {
  for (int i = 0; i < count; i++) weights[i] -= error * factor[i];
}

void chooseGrid(RowGroup& group, const float* importance, const uint8_t* keep) {
  float values[groupSize];
  float weights[groupSize];
  int used = 0;
  for (int j = 0; j < group.count; j++) {
    if (keep != nullptr && !keep[j]) continue;
    values[used] = group.weights[j];
    weights[used++] = importance[j];
  }
  group.grid = used == 0 ? GroupGrid{0, 0} : searchGrid(values, weights, used, group.format);
}

/** @param keep of the group, null for dense. @param errors receives the errors, negated, for the columns to
 * come. */
void quantizeGroup(RowGroup& group, bool chooseMask, uint8_t* keep, float* errors, float* positions) {
  const float top = static_cast<float>(group.format.maxCode) + 0.5f;
  for (int j = 0; j < group.count; j++) {
    if (chooseMask && j % 4 == 0)
      keepTwo(j, group.count, keep, [&](int i) {
        return group.cost(i, group.weights[i]) - group.cost(i, group.weights[i] - group.rounded(i));
      });
    const bool kept = keep == nullptr || keep[j];
    const float stored = kept ? group.rounded(j) : 0;
    const float position = group.grid.scale == 0 ? 0 : group.weights[j] / group.grid.scale + group.grid.zero;
    positions[j] = kept ? std::min(std::max(position, -0.5f), top) : 0;
    const float* factor = group.factor + j * group.stride + j;
    const float error = (group.weights[j] - stored) / *factor;
    errors[j] = -error;
    pushError(error, factor + 1, group.count - j - 1, group.weights + j + 1);
  }
}

/** Chooses grids, masks and codes group by group; `weights` are used up. */
void pushErrors(Pool& pool, std::vector<float>& weights, const std::vector<float>& factor,
                const std::vector<float>& importance, const std::vector<GroupSpan>& order, bool chooseMask,
                OrderedMatrix& out, std::vector<uint8_t>& mask, std::vector<float>& zeros) {
  const int64_t columns = out.columns;
  const std::vector<SpanBlock> blocks = blocksOf(order);
  const int64_t stride = blocks.front().count;
  std::vector<float> errors(out.rows * stride);
  /** Takes some errors from the weights of the columns from `to` on. */
  const auto push = [&](const float* from, int64_t first, int64_t depth, int64_t to, int64_t count) {
    multiply(pool, out.rows, count, depth, rowMajor(from, stride),
             rowMajor(factor.data() + first * columns + to, columns), weights.data() + to, columns, true,
             groupSize);
  };
  for (const SpanBlock& block : blocks) {
    const int64_t end = block.first + block.count;
    for (const auto& [index, first, count] : block.spans) {
      float* const error = &errors[first - block.first];
      pool.run(out.rows, 8, [&, index = index, first = first, count = count](int64_t begin, int64_t last) {
        for (int64_t r = begin; r < last; r++) {
          const int64_t at = r * columns + first;
          RowGroup group{&weights[at], &factor[first * columns + first], columns, count, out.format, {}};
          uint8_t* keep = out.format.sparse ? &mask[at] : nullptr;
          if (chooseMask)
            for (int j = 0; j < count; j += 4)
              keepTwo(j, count, keep, [&](int i) { return group.cost(i, group.weights[i]); });
          chooseGrid(group, &importance[first], keep);
          out.scale[r * out.groups + index] = group.grid.scale;
          zeros[r * out.groups + index] = group.grid.zero;
          quantizeGroup(group, chooseMask, keep, error + r * stride, &out.position[at]);
        }
      });
      push(error, first, count, first + count, end - first - count);
    }
    push(errors.data(), block.first, block.count, end, columns - end);
  }
}

/** The inverse Hessian's upper factor is made of so many columns at a time where it is multiplied by. */
constexpr int64_t panel = 512;

/** a H^-1 added to c, H^-1 = U^T U. Whole sums of zeros, left of U's diagonal, are left out. */
void addSolution(Pool& pool, const std::vector<float>& a, const std::vector<float>& factor, int64_t rows,
                 int64_t columns, std::vector<float>& c) {
  std::vector<float> half(rows * columns);
  for (int64_t first = 0; first < columns; first += panel) {
    const int64_t count = std::min(panel, columns - first);
    multiply(pool, rows, count, columns - first, rowMajor(&a[first], columns),
             transposed(&factor[first * columns + first], columns), &half[first], columns, false);
  }
  for (int64_t first = 0; first < columns; first += panel) {
    const int64_t count = std::min(panel, columns - first);
    multiply(pool, rows, count, first + count, rowMajor(half.data(), columns),
             rowMajor(&factor[first], columns), &c[first], columns, true);
  }
}

}  // namespace

void gptq(Pool& pool, const std::vector<float>& weights, const std::vector<float>& residual,
          const Hessian& hessian, const GptqOptions& options, const uint8_t* mask, QuantLinear& out) {
  const int64_t columns = out.columns;
  const int64_t size = out.rows * columns;
  std::vector<float> importance = hessian.diagonal();
  const float largest = *std::max_element(importance.begin(), importance.end());
  // Inputs that never occurred still count a little, so that their weights are not arbitrary.
  for (float& value : importance) value = std::max(value, 1e-6f * largest) + 1e-30f;
  const ColumnOrder order(importance, out.format.sparse);
  importance = order.ordered(importance.data(), 1);
  const std::vector<float> damped = hessian.damped(options.damping, order.columns);
  const std::vector<float> factor = inverseFactor(pool, damped, columns);

  std::vector<float> wanted = order.ordered(weights.data(), out.rows);
  if (!residual.empty()) {
    // The weights of least squares: w + residual H^-1.
    addSolution(pool, order.ordered(residual.data(), out.rows), factor, out.rows, columns, wanted);
  }
  std::vector<float> position(size);
  std::vector<uint8_t> keep;
  if (out.format.sparse) keep = order.ordered(mask != nullptr ? mask : out.keep.data(), out.rows);
  OrderedMatrix matrix{out.rows, columns, out.groups, out.format, position, keep, out.scale, out.zero};
  std::vector<float> left = wanted;
  pushErrors(pool, left, factor, importance, order.groups, out.format.sparse && mask == nullptr, matrix, keep,
             out.zero);
  refine(pool, wanted, damped, order.groups, options.sweeps, matrix);
  order.putBack(position, out.position);
  if (out.format.sparse) order.putBack(keep, out.keep);
  out.dequantize(pool);
}

}  // namespace accllm::quant
