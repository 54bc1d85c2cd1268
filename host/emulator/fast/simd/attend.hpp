#pragma once

#include "scores.hpp"
#include "weigh.hpp"

namespace accllm::emulator::fast {
namespace {

/// Attention of one token's heads that share a kv head. \return whether the queries are finite.
template <class S>
bool attend(const AttendView& a) {
  HeadQuery queries[most_attend_heads];
  typename S::F32 largest[most_attend_heads];
  bool finite = true;
  const bool one_rotation = same_rotation(a.window, a.sink, a.head_dim);
  for (uint32_t h = 0; h < a.heads; ++h) {
    finite = prepare_query<S>(a, a.queries + h * a.head_dim, one_rotation, queries[h]) && finite;
    largest[h] = S::fill(-float_of_bits(infinity_bits));
  }
  const size_t scores = size_t{a.block_count} * block_slots;
  for (uint32_t b = 0; b < a.block_count; ++b) {
    uint32_t words[most_words][block_slots];
    const SpanBlock& block = a.blocks[b];
    gather_words(a.keys + block.index * a.block_bytes + 4 * block_slots, a.head_dim, words);
    for (uint32_t h = 0; h < a.heads; ++h)
      block_scores<S>(a, queries[h], block, words, largest[h], a.scratch + h * scores + b * block_slots);
  }
  for (uint32_t h = 0; h < a.heads; ++h) {
    float most = largest[h][0];
    for (int i = 1; i < S::lanes; ++i) most = largest[h][i] > most ? largest[h][i] : most;
    float* output = a.outputs + h * a.head_dim;
    weigh_values<S>(a, most, a.scratch + h * scores, output);
    if (!a.hadamard) continue;
    hadamard<S>(output, a.head_dim);
    const float normalize = 1.0f / static_cast<float>(hadamard_size(a.head_dim));
    for (uint32_t i = 0; i < a.head_dim; ++i) output[i] *= normalize;
  }
  return finite;
}

}  // namespace
}  // namespace accllm::emulator::fast
