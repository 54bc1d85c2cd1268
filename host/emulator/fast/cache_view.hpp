#pragma once

#include <cstddef>
#include <cstdint>

#include "accllm/generated/format.hpp"

/// \file
/// The 4-bit cache and the work on it, as plain data for the levels.

namespace accllm::emulator::fast {

constexpr uint32_t block_slots = 16;
constexpr uint32_t most_head_dim = 256;
/// Query heads and tokens that one call of attend takes.
constexpr uint32_t most_attend_heads = 8;
constexpr uint32_t most_attend_tokens = 4;
constexpr uint32_t most_attend_rows = most_attend_heads * most_attend_tokens;
/// Blocks' sums of values are shifted by 0 to 24, which are this many classes of eight.
constexpr uint32_t sum_classes = 4;

/// RoPE tables of a position: head_dim / 2 each.
struct Rotation {
  const float* cosines;
  const float* sines;
};

/// A slot of the cache to write: its pair of halves and its codes.
struct SlotView {
  uint8_t* pair;
  uint8_t* codes;
};

/// Sixteen slots of the cache as one token sees them: masks are 0 or -1 a slot.
struct SpanBlock {
  int32_t attended[block_slots];
  int32_t sink[block_slots];
  /// Distances of slot i: sink_distance - i for sinks, window_distance - i for the others.
  int32_t sink_distance;
  int32_t window_distance;
  /// The largest distance of an attended slot.
  int32_t farthest;
  uint32_t index;
  bool any_sink;
  bool any_window;
  /// Whether all slots are attended.
  bool full;
};

/// Cosines and sines by distance, two int16 of a row in each word: words[k * stride + last - distance].
/// Sixteen neighbouring slots have falling distances, so that they are sixteen neighbouring words. Rows begin
/// at a line, and there are block_slots words before the largest distance and behind the smallest.
struct DistanceView {
  const int32_t* words;
  size_t stride;
  int32_t last;
  /// At least the root of the largest sum of two squares in a word.
  float radius;
};

/// A token's side of attention; its heads are those that share a kv head.
struct AttendToken {
  const float* queries;
  float* outputs;
  Rotation window;
  Rotation sink;
  const SpanBlock* blocks;
  uint32_t block_count;
};

/// Working memory of attend, for a thread. A row is a head of a token; a row's blocks are counted as its
/// token attends to them, the value pairs' slots as they lie in the cache.
struct AttendScratch {
  static constexpr uint32_t blocks = accel::limit::slots / block_slots + 1;
  static constexpr uint32_t slots = blocks * block_slots;

  /// First scores, then probabilities times value minima.
  float scores[size_t{most_attend_rows} * slots];
  /// What centering gives back by distance, a row's with block_slots to spare on either side.
  float means[size_t{most_attend_rows} * (slots + 4 * block_slots)];
  /// Probabilities times value scales.
  uint8_t weights[most_attend_rows][blocks][block_slots];
  /// What a block's weights are aligned to.
  int16_t exponents[most_attend_rows][blocks];
  float value_scales[slots];
  float value_minima[slots];
  /// Weights times codes, [rows][classes of shifts][elements].
  uint32_t sums[size_t{most_attend_rows} * sum_classes * most_head_dim];
};

/// What a few tokens of a block do with the heads that share one kv head.
struct AttendView {
  AttendToken tokens[most_attend_tokens];
  uint32_t token_count;
  uint32_t heads;
  uint32_t head_dim;
  bool hadamard;
  /// Key means of the kv head, or null without centering.
  const float* means;
  float score_scale;
  float mean_scale;
  DistanceView distances;
  const uint8_t* keys;
  const uint8_t* values;
  size_t block_bytes;
  AttendScratch* scratch;
};

}  // namespace accllm::emulator::fast
