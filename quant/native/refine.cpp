#include "refine.hpp"

#include <algorithm>
#include <cmath>

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

}  // namespace

void refine(Pool& pool, const std::vector<float>& weights, const std::vector<float>& hessian,
            const std::vector<GroupSpan>& order, int sweeps, OrderedMatrix& matrix) {
  const auto [rows, columns, groups, format, position, keep, scale, zero] = matrix;
  const float maxCode = static_cast<float>(format.maxCode);
  const auto stored = [&](int64_t r, int64_t c, float rowScale, float rowZero) {
    const int64_t i = r * columns + c;
    return !keep.empty() && !keep[i] ? 0 : rowScale * (codeOf(position[i], maxCode) - rowZero);
  };
  std::vector<float> errors(rows * columns);
  for (const GroupSpan& span : order)
    for (int64_t r = 0; r < rows; r++)
      for (int64_t c = span.first; c < span.first + span.count; c++)
        errors[r * columns + c] = weights[r * columns + c] -
                                  stored(r, c, scale[r * groups + span.group], zero[r * groups + span.group]);
  std::vector<float> gradient(rows * columns);
  multiply(pool, rows, columns, columns, rowMajor(errors.data(), columns), rowMajor(hessian.data(), columns),
           gradient.data(), columns, false);

  std::vector<float> changes(rows * groupSize);
  alignas(64) float block[groupSize * groupSize];
  for (int sweep = 0; sweep < sweeps; sweep++)
    for (const GroupSpan& span : order) {
      for (int i = 0; i < span.count; i++)
        std::copy_n(&hessian[(span.first + i) * columns + span.first], span.count, block + i * groupSize);
      pool.run(rows, 8, [&](int64_t begin, int64_t end) {
        for (int64_t r = begin; r < end; r++) {
          const int64_t at = r * columns + span.first;
          float* change = &changes[r * groupSize];
          std::fill_n(change, groupSize, 0.0f);
          float& rowScale = scale[r * groups + span.group];
          if (rowScale == 0) continue;
          alignas(64) float local[groupSize];
          std::copy_n(&gradient[at], span.count, local);
          RowGroup group{span.count,
                         maxCode,
                         block,
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
      multiply(pool, rows, columns, span.count, rowMajor(changes.data(), groupSize),
               rowMajor(&hessian[span.first * columns], columns), gradient.data(), columns, true);
    }
}

}  // namespace accllm::quant
