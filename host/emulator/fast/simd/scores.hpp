#pragma once

#include "query.hpp"

/// \file
/// Scores of cached keys, sixteen slots at a time, a lane a slot.

namespace accllm::emulator::fast {
namespace {

/// The codes of a block with word w of slot s at [w][s].
inline void gather_words(const uint8_t* codes, uint32_t head_dim, uint32_t (*words)[block_slots]) {
  const uint32_t slot_bytes = head_dim / 2;
  const uint32_t whole = slot_bytes / 4;
  for (uint32_t s = 0; s < block_slots; ++s) {
    const uint8_t* slot = codes + s * slot_bytes;
    for (uint32_t w = 0; w < whole; ++w) words[w][s] = load_as<uint32_t>(slot + 4 * w);
    if (slot_bytes % 4 == 0) continue;
    uint32_t rest = 0;
    std::memcpy(&rest, slot + 4 * whole, slot_bytes % 4);
    words[whole][s] = rest;
  }
}

/// A value a slot of a block.
template <class S>
struct SlotValues {
  static constexpr uint32_t parts = block_slots / S::lanes;
  typename S::F32 part[parts];
};

/// Query times codes, and scale and minimum applied: fl(fl(fl(I * scale) + fl(A * minimum)) * factor).
template <class S>
SlotValues<S> code_scores(const RotatedQuery& q, const uint32_t (*words)[block_slots], uint32_t count,
                          const uint8_t* pairs) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  using U8 = typename S::U8;
  constexpr uint32_t parts = SlotValues<S>::parts;
  I32 low[parts] = {};
  I32 high[parts] = {};
  for (uint32_t w = 0; w < count; ++w) {
    const U8 even = S::quad(q.codes + 8 * w);
    const U8 odd = S::quad(q.codes + 8 * w + 4);
    for (uint32_t p = 0; p < parts; ++p) {
      const I32 word = load_as<I32>(words[w] + p * S::lanes);
      low[p] = S::dot(low[p], U8(word) & S::fill_bytes(15), even);
      high[p] = S::dot(high[p], U8(word >> 4) & S::fill_bytes(15), odd);
    }
  }
  SlotValues<S> scores;
  for (uint32_t p = 0; p < parts; ++p) {
    const I32 pair = load_as<I32>(pairs + 4 * p * S::lanes);
    const F32 scale = from_half<S>(pair & 0xffff);
    const F32 minimum = from_half<S>((pair >> 16) & 0xffff);
    scores.part[p] = (S::to_float(low[p] + high[p]) * scale + static_cast<float>(q.sum) * minimum) * q.factor;
  }
  return scores;
}

/// Adds what centering took away: the mean's product at the slots' distances, `distance` that of the first.
template <class S>
void add_mean_scores(const MeanQuery& q, const DistanceView& table, uint32_t head_dim, int32_t distance,
                     SlotValues<S>& scores) {
  using I32 = typename S::I32;
  constexpr uint32_t parts = SlotValues<S>::parts;
  I32 high[parts] = {};
  I32 low[parts] = {};
  const int32_t* words = table.words + (table.last - distance);
  for (uint32_t k = 0; k < head_dim / 2; ++k) {
    const I32 query_high = S::fill(q.high[k]);
    const I32 query_low = S::fill(q.low[k]);
    for (uint32_t p = 0; p < parts; ++p) {
      const I32 entries = load_as<I32>(words + k * table.stride + p * S::lanes);
      high[p] = S::dot_pairs(high[p], entries, query_high);
      low[p] = S::dot_pairs(low[p], entries, query_low);
    }
  }
  for (uint32_t p = 0; p < parts; ++p) scores.part[p] += S::wide_to_float(high[p], low[p]) * q.factor;
}

/// Scores of a block for a rotation of the query.
template <class S>
SlotValues<S> slot_scores(const AttendView& a, const RotatedQuery& rotated, const MeanQuery& mean,
                          const SpanBlock& block, const uint32_t (*words)[block_slots], int32_t distance) {
  SlotValues<S> scores =
      code_scores<S>(rotated, words, (a.head_dim + 7) / 8, a.keys + block.index * a.block_bytes);
  if (a.means != nullptr) add_mean_scores<S>(mean, a.distances, a.head_dim, distance, scores);
  return scores;
}

/// Scores of a block to out[16]; what is not attended has any value. Takes the largest attended one into
/// `largest`.
template <class S>
void block_scores(const AttendView& a, const HeadQuery& query, const SpanBlock& block,
                  const uint32_t (*words)[block_slots], typename S::F32& largest, float* out) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  const RotatedQuery& sink_query = query.one_rotation ? query.window : query.sink;
  const bool same = query.one_rotation && block.any_window && block.sink_distance == block.window_distance;
  SlotValues<S> window = {};
  SlotValues<S> sinks;
  if (block.any_window)
    window = slot_scores<S>(a, query.window, query.mean, block, words, block.window_distance);
  const bool sinks_apart = block.any_sink && !same;
  if (sinks_apart) sinks = slot_scores<S>(a, sink_query, query.mean, block, words, block.sink_distance);
  for (uint32_t p = 0; p < SlotValues<S>::parts; ++p) {
    const uint32_t lane = p * S::lanes;
    F32 scores = window.part[p];
    if (sinks_apart) scores = load_as<I32>(block.sink + lane) != 0 ? sinks.part[p] : scores;
    const I32 larger = (scores > largest) & load_as<I32>(block.attended + lane);
    largest = larger != 0 ? scores : largest;
    store_as(out + lane, scores);
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
