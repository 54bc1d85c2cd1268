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

/// Query times codes, and scale and minimum applied: fl(fl(fl(I * scale) + fl(A * minimum)) * factor).
template <class S>
typename S::F32 code_scores(const RotatedQuery& q, const uint32_t (*words)[block_slots], uint32_t count,
                            uint32_t lane, typename S::F32 scale, typename S::F32 minimum) {
  using U8 = typename S::U8;
  using I32 = typename S::I32;
  I32 low = {};
  I32 high = {};
  for (uint32_t w = 0; w < count; ++w) {
    const I32 word = load_as<I32>(words[w] + lane);
    low = S::dot(low, U8(word) & S::fill_bytes(15), S::quad(q.codes + 8 * w));
    high = S::dot(high, U8(word >> 4) & S::fill_bytes(15), S::quad(q.codes + 8 * w + 4));
  }
  return (S::to_float(low + high) * scale + static_cast<float>(q.sum) * minimum) * q.factor;
}

/// What centering took away: the mean's product at the lanes' distances, `distance` that of the first lane.
template <class S>
typename S::F32 mean_scores(const MeanQuery& q, const DistanceView& table, uint32_t head_dim,
                            int32_t distance) {
  using I32 = typename S::I32;
  I32 high = {};
  I32 low = {};
  const int32_t* words = table.words + (table.last - distance);
  for (uint32_t k = 0; k < head_dim / 2; ++k) {
    const I32 entries = load_as<I32>(words + k * table.stride);
    high = S::dot_pairs(high, entries, S::fill(q.high[k]));
    low = S::dot_pairs(low, entries, S::fill(q.low[k]));
  }
  return S::wide_to_float(high, low) * q.factor;
}

/// Scores of the lanes from `lane` on for a rotation of the query; `distance` is that of the block's first
/// slot.
template <class S>
typename S::F32 lane_scores(const AttendView& a, const RotatedQuery& rotated, const MeanQuery& mean,
                            const SpanBlock& block, const uint32_t (*words)[block_slots], uint32_t lane,
                            int32_t distance) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  const I32 pairs = load_as<I32>(a.keys + block.index * a.block_bytes + 4 * lane);
  const F32 scale = from_half<S>(pairs & 0xffff);
  const F32 minimum = from_half<S>((pairs >> 16) & 0xffff);
  const F32 scores = code_scores<S>(rotated, words, (a.head_dim + 7) / 8, lane, scale, minimum);
  if (a.means == nullptr) return scores;
  return scores + mean_scores<S>(mean, a.distances, a.head_dim, distance - static_cast<int32_t>(lane));
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
  for (uint32_t lane = 0; lane < block_slots; lane += S::lanes) {
    F32 scores = {};
    if (block.any_window)
      scores = lane_scores<S>(a, query.window, query.mean, block, words, lane, block.window_distance);
    if (block.any_sink && !same) {
      const F32 sinks = lane_scores<S>(a, sink_query, query.mean, block, words, lane, block.sink_distance);
      scores = load_as<I32>(block.sink + lane) != 0 ? sinks : scores;
    }
    const I32 larger = (scores > largest) & load_as<I32>(block.attended + lane);
    largest = larger != 0 ? scores : largest;
    store_as(out + lane, scores);
  }
}

}  // namespace
}  // namespace accllm::emulator::fast
