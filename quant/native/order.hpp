#pragma once
#include <cstddef>
#include <cstdint>
#include <vector>

namespace accllm::quant {

/** Columns of one group, in the order in which they are quantized. */
struct GroupSpan {
  /** The group's index among a row's scales. */
  int group;
  /** First place in the order, and how many. */
  int64_t first;
  int count;
};

/** Neighbours among the spans of an order. */
struct SpanBlock {
  std::vector<GroupSpan> spans;
  /** First place in the order, and how many. */
  int64_t first;
  int64_t count;
};

/**
 * An order in blocks of a few groups. What a group changes is told to its own block at once, and to all
 * others when the block is done, in products of a depth that is worth reading a whole matrix for.
 */
std::vector<SpanBlock> blocksOf(const std::vector<GroupSpan>& order);

/**
 * Activation order that keeps groups whole: groups by how much their inputs matter, and the columns of each
 * too, most first, so that errors are pushed into what matters less. Fours stay together where masks of 2:4
 * are chosen.
 */
struct ColumnOrder {
  /** Column at every place of the order. */
  std::vector<int> columns;
  std::vector<GroupSpan> groups;

  /** @param importance of every column, such as the Hessian's diagonal. */
  ColumnOrder(const std::vector<float>& importance, bool fours);

  /** Rows of `width` values, their columns put in order, or put back. */
  template <typename T>
  std::vector<T> ordered(const T* rows, int64_t count) const {
    const size_t width = columns.size();
    std::vector<T> out(count * width);
    for (int64_t r = 0; r < count; r++)
      for (size_t i = 0; i < width; i++) out[r * width + i] = rows[r * width + columns[i]];
    return out;
  }
  template <typename T>
  void putBack(const std::vector<T>& from, std::vector<T>& to) const {
    const size_t width = columns.size();
    for (size_t start = 0; start < from.size(); start += width)
      for (size_t i = 0; i < width; i++) to[start + columns[i]] = from[start + i];
  }
};

}  // namespace accllm::quant
