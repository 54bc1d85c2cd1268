#include "order.hpp"

#include <algorithm>
#include <numeric>

#include "linear.hpp"

namespace accllm::quant {

namespace {

/** Indices of the largest sums first; equal ones, and an incomplete last one, stay in place. */
std::vector<int> byImportance(const float* importance, int count, int width) {
  std::vector<int> order((count + width - 1) / width);
  std::vector<double> sums(order.size());
  for (int i = 0; i < count; i++) sums[i / width] += importance[i];
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end() - (count % width == 0 ? 0 : 1),
                   [&](int a, int b) { return sums[a] > sums[b]; });
  return order;
}

constexpr size_t blockGroups = 8;

}  // namespace

std::vector<SpanBlock> blocksOf(const std::vector<GroupSpan>& order) {
  std::vector<SpanBlock> blocks;
  for (size_t i = 0; i < order.size(); i += blockGroups) {
    const auto begin = order.begin() + static_cast<std::ptrdiff_t>(i);
    const auto end = begin + static_cast<std::ptrdiff_t>(std::min(blockGroups, order.size() - i));
    const GroupSpan& last = *(end - 1);
    blocks.push_back({{begin, end}, begin->first, last.first + last.count - begin->first});
  }
  return blocks;
}

ColumnOrder::ColumnOrder(const std::vector<float>& importance, bool fours) {
  const int all = static_cast<int>(importance.size());
  const int width = fours ? 4 : 1;
  for (const int group : byImportance(importance.data(), all, groupSize)) {
    const int start = group * groupSize;
    const int count = std::min(groupSize, all - start);
    groups.push_back({group, static_cast<int64_t>(columns.size()), count});
    for (const int unit : byImportance(&importance[start], count, width))
      for (int i = unit * width; i < std::min((unit + 1) * width, count); i++) columns.push_back(start + i);
  }
}

}  // namespace accllm::quant
