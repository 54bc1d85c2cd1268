#pragma once

#include "query.hpp"

/// \file
/// Scores of cached keys, sixteen slots at a time, a lane a slot.

namespace accllm::emulator::fast {
namespace {

/// A query head of a token.
template <class S>
struct Row {
  HeadQuery<S> query;
  /// What centering gives back at distance 0; a word earlier is a distance more.
  const float* means;
};

/// What centering gives back, at all distances that a token attends to, for all rows.
template <class S>
void score_means(const AttendView& a, Row<S>* rows) {
  // As many words of all rows of the table as stay in the first-level cache.
  constexpr int32_t width = 128;
  int32_t farthest = 0;
  for (uint32_t t = 0; t < a.token_count; ++t) {
    for (uint32_t b = 0; b < a.tokens[t].block_count; ++b) {
      const SpanBlock& block = a.tokens[t].blocks[b];
      farthest = block.farthest > farthest ? block.farthest : farthest;
    }
  }
  // In whole vectors.
  const int32_t first = (a.distances.last - farthest) / S::lanes * S::lanes;
  const int32_t end = (a.distances.last / S::lanes + 1) * S::lanes;
  const size_t stride = static_cast<size_t>(end - first) + 2 * block_slots;
  const uint32_t count = a.token_count * a.heads;
  for (uint32_t r = 0; r < count; ++r)
    rows[r].means = a.scratch->means + r * stride + block_slots + (a.distances.last - first);
  for (int32_t word = first; word < end; word += width) {
    const auto vectors = static_cast<uint32_t>(end - word < width ? end - word : width) / S::lanes;
    for (uint32_t r = 0; r < count; ++r) {
      const HeadQuery<S>& query = rows[r].query;
      MeanProduct<S>::multiply(query.mean, a.distances.words + word, a.distances.stride, a.head_dim / 2,
                               query.mean_factor, vectors,
                               a.scratch->means + r * stride + block_slots + (word - first));
    }
  }
}

/// Scores of a block for `count` heads of a token and one of the two rotations:
/// fl(fl(fl(I * scale) + fl(A * minimum)) * factor), and what centering took away, `distance` being that of
/// the first slot. Head n's go to out[n * stride] and the following fifteen.
template <class S, uint32_t count>
void slot_scores(const AttendView& a, const Row<S>* rows, const RotatedQuery* const (&rotated)[count],
                 const KeyBlock<S>& keys, int32_t distance, float* out, size_t stride) {
  using F32 = typename S::F32;
  const int8_t* codes[count];
  for (uint32_t n = 0; n < count; ++n) codes[n] = rotated[n]->codes;
  SlotValues<S> products[count];
  keys.codes.template multiply<count>(codes, a.head_dim, products);
  for (uint32_t n = 0; n < count; ++n) {
    const RotatedQuery& q = *rotated[n];
    for (uint32_t p = 0; p < SlotValues<S>::parts; ++p) {
      F32 score = (products[n].part[p] * keys.scales.part[p] + q.sum * keys.minima.part[p]) * q.factor;
      const uint32_t lane = p * S::lanes;
      if (a.means != nullptr) score += load_as<F32>(rows[n].means - distance + lane);
      store_as(out + n * stride + lane, score);
    }
  }
}

/// Scores of a block for `count` heads of a token; what is not attended has any value.
template <class S, uint32_t count>
void block_scores(const AttendView& a, const Row<S>* rows, const SpanBlock& block, const KeyBlock<S>& keys,
                  float* out, size_t stride) {
  using F32 = typename S::F32;
  // The heads of a token have the same rotations.
  const bool one_rotation = rows[0].query.one_rotation;
  const bool same = one_rotation && block.any_window && block.sink_distance == block.window_distance;
  const RotatedQuery* rotated[count];
  if (block.any_window) {
    for (uint32_t n = 0; n < count; ++n) rotated[n] = &rows[n].query.window;
    slot_scores<S, count>(a, rows, rotated, keys, block.window_distance, out, stride);
  }
  if (!block.any_sink || same) return;
  for (uint32_t n = 0; n < count; ++n)
    rotated[n] = one_rotation ? &rows[n].query.window : &rows[n].query.sink;
  if (!block.any_window)
    return slot_scores<S, count>(a, rows, rotated, keys, block.sink_distance, out, stride);
  float sinks[count * block_slots];
  slot_scores<S, count>(a, rows, rotated, keys, block.sink_distance, sinks, block_slots);
  for (uint32_t n = 0; n < count; ++n) {
    for (uint32_t lane = 0; lane < block_slots; lane += S::lanes) {
      float* at = out + n * stride + lane;
      const F32 sink = load_as<F32>(sinks + n * block_slots + lane);
      store_as(at, load_as<typename S::I32>(block.sink + lane) != 0 ? sink : load_as<F32>(at));
    }
  }
}

/// The same for all heads of a token, four at a time.
template <class S>
void block_scores_of_heads(const AttendView& a, const Row<S>* rows, const SpanBlock& block,
                           const KeyBlock<S>& keys, float* out, size_t stride) {
  uint32_t h = 0;
  for (; h + 4 <= a.heads; h += 4) block_scores<S, 4>(a, rows + h, block, keys, out + h * stride, stride);
  for (; h + 2 <= a.heads; h += 2) block_scores<S, 2>(a, rows + h, block, keys, out + h * stride, stride);
  if (h < a.heads) block_scores<S, 1>(a, rows + h, block, keys, out + h * stride, stride);
}

}  // namespace
}  // namespace accllm::emulator::fast
