#include "refine.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "gemm.hpp"
#include "hot.hpp"

namespace accllm::quant {

namespace {

constexpr float magic = 12582912.0f;

float codeOf(float position, float maxCode) {
  return std::min(std::max((position + magic) - magic, 0.0f), maxCode);
}

ACCLLM_HOT void add(float factor, const float* from, int count, float* to) {
  for (int i = 0; i < count; i++) to[i] += factor * from[i];
}

/** One group of one row. `gradient` is that of its columns, (w - q) H, and kept so while codes change. */
struct RowGroup {
  int count;
  float maxCode;
  /** [groupSize][groupSize], the group's part of the Hessian. */
  const float* hessian;
  const uint8_t* keep;
  float zero;
  float* scale;
  float* position;
  float* gradient;
  float level[groupSize];

  bool kept(int j) const { return keep == nullptr || keep[j]; }

  void readLevels() {
    for (int j = 0; j < count; j++) level[j] = kept(j) ? codeOf(position[j], maxCode) - zero : 0;
  }

  /** The best scale for the codes as they are. */
  void fitScale() {
    alignas(64) float product[groupSize] = {};
    for (int j = 0; j < count; j++)
      if (level[j] != 0) add(level[j], hessian + j * groupSize, count, product);
    float numerator = 0;
    float denominator = 0;
    for (int j = 0; j < count; j++) {
      numerator += gradient[j] * level[j];
      denominator += product[j] * level[j];
    }
    if (!(denominator > 0)) return;
    const float change = numerator / denominator;
    if (!(*scale + change > 0)) return;
    *scale += change;
    add(-change, product, count, gradient);
  }

  /** Every code in turn to the nearest of where the error is least. */
  void fitCodes() {
    for (int j = 0; j < count; j++) {
      if (!kept(j)) continue;
      const float wanted = level[j] + zero + gradient[j] / hessian[j * groupSize + j] / *scale;
      position[j] = std::min(std::max(wanted, -0.5f), maxCode + 0.5f);
      const float moved = codeOf(wanted, maxCode) - zero;
      if (moved == level[j]) continue;
      add(-*scale * (moved - level[j]), hessian + j * groupSize, count, gradient);
      level[j] = moved;
    }
  }
};

/** (w - q) H, [rows][columns]. */
std::vector<float> gradientOf(Pool& pool, const std::vector<float>& weights,
                              const std::vector<float>& hessian, const std::vector<GroupSpan>& order,
                              const OrderedMatrix& matrix) {
  const auto [rows, columns, groups, format, position, keep, scale, zero] = matrix;
  const float maxCode = static_cast<float>(format.maxCode);
  std::vector<float> errors = weights;
  for (const GroupSpan& span : order)
    for (int64_t r = 0; r < rows; r++) {
      const float step = scale[r * groups + span.group];
      const float offset = zero[r * groups + span.group];
      for (int64_t i = r * columns + span.first; i < r * columns + span.first + span.count; i++)
        if (keep.empty() || keep[i]) errors[i] -= step * (codeOf(position[i], maxCode) - offset);
    }
  std::vector<float> gradient(rows * columns);
  multiply(pool, rows, columns, columns, rowMajor(errors.data(), columns), rowMajor(hessian.data(), columns),
           gradient.data(), columns, false);
  return gradient;
}

struct Changes {
  float* data;
  int64_t stride;
};

/** Fits one group of all rows. @param changes receives what its weights lost. */
void fitGroup(Pool& pool, const GroupSpan& span, const std::vector<float>& hessian,
              const std::vector<float>& gradient, OrderedMatrix& matrix, Changes changes) {
  const auto [rows, columns, groups, format, position, keep, scale, zero] = matrix;
  const float maxCode = static_cast<float>(format.maxCode);
  alignas(64) float own[groupSize * groupSize];
  for (int i = 0; i < span.count; i++)
    std::copy_n(&hessian[(span.first + i) * columns + span.first], span.count, own + i * groupSize);
  pool.run(rows, 8, [&](int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; r++) {
      const int64_t at = r * columns + span.first;
      float* change = changes.data + r * changes.stride;
      std::fill_n(change, span.count, 0.0f);
      float& rowScale = scale[r * groups + span.group];
      if (rowScale == 0) continue;
      alignas(64) float local[groupSize];
      std::copy_n(&gradient[at], span.count, local);
      RowGroup group{span.count,
                     maxCode,
                     own,
                     keep.empty() ? nullptr : &keep[at],
                     zero[r * groups + span.group],
                     &rowScale,
                     &position[at],
                     local,
                     {}};
      group.readLevels();
      for (int j = 0; j < span.count; j++) change[j] = rowScale * group.level[j];
      for (int turn = 0; turn < 2; turn++) {
        group.fitScale();
        group.fitCodes();
      }
      for (int j = 0; j < span.count; j++) change[j] -= rowScale * group.level[j];
    }
  });
}

}  // namespace

void refine(Pool& pool, const std::vector<float>& weights, const std::vector<float>& hessian,
            const std::vector<GroupSpan>& order, int sweeps, OrderedMatrix& matrix) {
  const auto [rows, columns] = std::pair(matrix.rows, matrix.columns);
  std::vector<float> gradient = gradientOf(pool, weights, hessian, order, matrix);
  const std::vector<SpanBlock> blocks = blocksOf(order);
  const int64_t stride = blocks.front().count;
  std::vector<float> changes(rows * stride);
  /** Takes some changes into the gradient of the columns from `to` on. */
  const auto tell = [&](const float* from, int64_t first, int64_t depth, int64_t to, int64_t count) {
    multiply(pool, rows, count, depth, rowMajor(from, stride),
             rowMajor(hessian.data() + first * columns + to, columns), gradient.data() + to, columns, true,
             groupSize);
  };
  for (int sweep = 0; sweep < sweeps; sweep++)
    for (const SpanBlock& block : blocks) {
      for (const GroupSpan& span : block.spans) {
        float* const change = &changes[span.first - block.first];
        fitGroup(pool, span, hessian, gradient, matrix, {change, stride});
        tell(change, span.first, span.count, block.first, block.count);
      }
      const int64_t next = block.first + block.count;
      tell(changes.data(), block.first, block.count, 0, block.first);
      tell(changes.data(), block.first, block.count, next, columns - next);
    }
}

}  // namespace accllm::quant
