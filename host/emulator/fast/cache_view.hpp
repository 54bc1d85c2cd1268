#pragma once

#include <cstddef>
#include <cstdint>

/// \file
/// The 4-bit cache and the work on it, as plain data for the levels.

namespace accllm::emulator::fast {

constexpr uint32_t block_slots = 16;
constexpr uint32_t most_head_dim = 256;
/// Query heads that one call of attend takes.
constexpr uint32_t most_attend_heads = 8;

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
  uint32_t index;
  bool any_sink;
  bool any_window;
};

/// Cosines and sines by distance, two int16 of a row in each word: words[k * stride + last - distance].
/// Sixteen neighbouring slots have falling distances, so that they are sixteen neighbouring words.
struct DistanceView {
  const int32_t* words;
  size_t stride;
  int32_t last;
};

/// What one token does with the heads that share one kv head.
struct AttendView {
  const float* queries;
  float* outputs;
  uint32_t heads;
  uint32_t head_dim;
  bool hadamard;
  Rotation window;
  Rotation sink;
  /// Key means of the kv head, or null without centering.
  const float* means;
  float score_scale;
  float mean_scale;
  DistanceView distances;
  const uint8_t* keys;
  const uint8_t* values;
  size_t block_bytes;
  const SpanBlock* blocks;
  uint32_t block_count;
  /// [heads][block_count * 16].
  float* scratch;
};

}  // namespace accllm::emulator::fast
