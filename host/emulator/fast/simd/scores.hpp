#pragma once

#include "query.hpp"

/// \file
/// Scores of cached keys, sixteen slots at a time, a lane a slot.

namespace accllm::emulator::fast {
namespace {

/// A query head's scores, and the largest attended one of every lane so far.
template <class S>
struct Row {
  HeadQuery<S> query;
  typename S::F32 largest;
};

/// Scores of a block for one of the two rotations: fl(fl(fl(I * scale) + fl(A * minimum)) * factor), and what
/// centering took away, `distance` being that of the first slot.
template <class S, uint32_t count>
void slot_scores(const AttendView& a, const Row<S>* rows, const RotatedQuery* const (&rotated)[count],
                 const KeyBlock<S>& keys, int32_t distance, SlotValues<S> (&scores)[count]) {
  constexpr uint32_t parts = SlotValues<S>::parts;
  const int8_t* codes[count];
  for (uint32_t n = 0; n < count; ++n) codes[n] = rotated[n]->codes;
  keys.codes.template multiply<count>(codes, a.head_dim, scores);
  for (uint32_t n = 0; n < count; ++n) {
    const RotatedQuery& q = *rotated[n];
    const float sum = static_cast<float>(q.sum);
    for (uint32_t p = 0; p < parts; ++p)
      scores[n].part[p] = (scores[n].part[p] * keys.scales.part[p] + sum * keys.minima.part[p]) * q.factor;
  }
  if (a.means == nullptr) return;
  const typename MeanProduct<S>::Query* queries[count];
  for (uint32_t n = 0; n < count; ++n) queries[n] = &rows[n].query.mean;
  SlotValues<S> means[count];
  const int32_t* words = a.distances.words + (a.distances.last - distance);
  MeanProduct<S>::template multiply<count>(queries, words, a.distances.stride, a.head_dim / 2, means);
  for (uint32_t n = 0; n < count; ++n) {
    for (uint32_t p = 0; p < parts; ++p) scores[n].part[p] += means[n].part[p] * rows[n].query.mean_factor;
  }
}

/// Scores of a block for `count` heads of a token, head n's to out[n * stride] and the following fifteen;
/// what is not attended has any value.
template <class S, uint32_t count>
void block_scores(const AttendView& a, Row<S>* rows, const SpanBlock& block, const KeyBlock<S>& keys,
                  float* out, size_t stride) {
  using F32 = typename S::F32;
  using I32 = typename S::I32;
  // The heads of a token have the same rotations.
  const bool one_rotation = rows[0].query.one_rotation;
  const bool same = one_rotation && block.any_window && block.sink_distance == block.window_distance;
  const bool sinks_apart = block.any_sink && !same;
  const RotatedQuery* rotated[count];
  SlotValues<S> window[count];
  SlotValues<S> sinks[count];
  if (block.any_window) {
    for (uint32_t n = 0; n < count; ++n) rotated[n] = &rows[n].query.window;
    slot_scores<S, count>(a, rows, rotated, keys, block.window_distance, window);
  }
  if (sinks_apart) {
    for (uint32_t n = 0; n < count; ++n)
      rotated[n] = one_rotation ? &rows[n].query.window : &rows[n].query.sink;
    slot_scores<S, count>(a, rows, rotated, keys, block.sink_distance, sinks);
  }
  for (uint32_t n = 0; n < count; ++n) {
    F32& largest = rows[n].largest;
    for (uint32_t p = 0; p < SlotValues<S>::parts; ++p) {
      const uint32_t lane = p * S::lanes;
      F32 scores = block.any_window ? window[n].part[p] : sinks[n].part[p];
      if (sinks_apart) scores = load_as<I32>(block.sink + lane) != 0 ? sinks[n].part[p] : scores;
      const I32 larger = (scores > largest) & load_as<I32>(block.attended + lane);
      largest = larger != 0 ? scores : largest;
      store_as(out + n * stride + lane, scores);
    }
  }
}

/// The same for all heads of a token, four at a time.
template <class S>
void block_scores_of_heads(const AttendView& a, Row<S>* rows, const SpanBlock& block, const KeyBlock<S>& keys,
                           float* out, size_t stride) {
  uint32_t h = 0;
  for (; h + 4 <= a.heads; h += 4) block_scores<S, 4>(a, rows + h, block, keys, out + h * stride, stride);
  for (; h + 2 <= a.heads; h += 2) block_scores<S, 2>(a, rows + h, block, keys, out + h * stride, stride);
  if (h < a.heads) block_scores<S, 1>(a, rows + h, block, keys, out + h * stride, stride);
}

}  // namespace
}  // namespace accllm::emulator::fast
