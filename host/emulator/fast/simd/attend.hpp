#pragma once

#include "scores.hpp"
#include "weigh.hpp"

namespace accllm::emulator::fast {
namespace {

/// Calls load(index) for every block of the cache that a token attends to, and then use(token, count) for the
/// tokens that do, `count` being the token's own number of the block.
template <class Load, class Use>
void for_each_block(const AttendView& a, const Load& load, const Use& use) {
  uint32_t next[most_attend_tokens] = {};
  for (;;) {
    uint32_t index = UINT32_MAX;
    for (uint32_t t = 0; t < a.token_count; ++t) {
      const AttendToken& token = a.tokens[t];
      if (next[t] < token.block_count && token.blocks[next[t]].index < index)
        index = token.blocks[next[t]].index;
    }
    if (index == UINT32_MAX) return;
    load(index);
    for (uint32_t t = 0; t < a.token_count; ++t) {
      const AttendToken& token = a.tokens[t];
      if (next[t] < token.block_count && token.blocks[next[t]].index == index) use(t, next[t]++);
    }
  }
}

/// Scores of all rows, and the values' scales and minima. \return whether the queries are finite.
template <class S>
bool all_scores(const AttendView& a, size_t stride, Row<S>* rows) {
  bool finite = true;
  for (uint32_t t = 0; t < a.token_count; ++t) {
    const AttendToken& token = a.tokens[t];
    const bool one_rotation = same_rotation(token.window, token.sink, a.head_dim);
    for (uint32_t h = 0; h < a.heads; ++h) {
      Row<S>& row = rows[t * a.heads + h];
      const float* q = token.queries + h * a.head_dim;
      finite = prepare_query<S>(a, token, q, one_rotation, row.query) && finite;
    }
  }
  if (a.means != nullptr) score_means<S>(a, rows);
  KeyBlock<S> keys;
  const auto load = [&](uint32_t index) {
    keys.load(a.keys + index * a.block_bytes, a.head_dim);
    SlotValues<S> scales;
    SlotValues<S> minima;
    load_pairs<S>(a.values + index * a.block_bytes, scales, minima);
    store_as(a.scratch->value_scales + index * block_slots, scales);
    store_as(a.scratch->value_minima + index * block_slots, minima);
  };
  for_each_block(a, load, [&](uint32_t t, uint32_t count) {
    const uint32_t row = t * a.heads;
    float* out = a.scratch->scores + row * stride + count * block_slots;
    block_scores_of_heads<S>(a, rows + row, a.tokens[t].blocks[count], keys, out, stride);
  });
  return finite;
}

/// Attention of a few tokens' heads that share a kv head. \return whether the queries are finite.
template <class S>
bool attend(const AttendView& a) {
  uint32_t most_blocks = 0;
  for (uint32_t t = 0; t < a.token_count; ++t)
    most_blocks = a.tokens[t].block_count > most_blocks ? a.tokens[t].block_count : most_blocks;
  const size_t stride = size_t{most_blocks} * block_slots;
  Row<S> rows[most_attend_rows];
  ValueSums sums[most_attend_rows];
  const bool finite = all_scores<S>(a, stride, rows);
  for (uint32_t row = 0; row < a.token_count * a.heads; ++row) {
    AttendScratch& scratch = *a.scratch;
    const Weights weights = probabilities<S>(scratch, a.tokens[row / a.heads], scratch.scores + row * stride,
                                             scratch.weights[row], scratch.exponents[row]);
    const size_t elements = 2 * padded_half(a.head_dim);
    sums[row].start(weights, a.head_dim, scratch.sums + row * sum_classes * elements);
  }
  ValueCodes<S> codes;
  ValueRun run;
  const auto load = [&](uint32_t index) {
    if (run.size == value_blocks) {
      add_run<S>(a, codes, run, sums);
      run = {};
    }
    codes.load(run.size++, a.values + index * a.block_bytes + 4 * block_slots, a.head_dim);
  };
  for_each_block(a, load, [&](uint32_t t, uint32_t count) {
    const uint32_t n = run.counts[t]++;
    run.blocks[t][n] = count;
    run.places[t][n] = run.size - 1;
  });
  add_run<S>(a, codes, run, sums);
  for (uint32_t row = 0; row < a.token_count * a.heads; ++row) {
    float* output = a.tokens[row / a.heads].outputs + row % a.heads * a.head_dim;
    sums[row].finish(a.head_dim, output);
    if (!a.hadamard) continue;
    hadamard<S>(output, a.head_dim);
    const float normalize = 1.0f / static_cast<float>(hadamard_size(a.head_dim));
    for (uint32_t i = 0; i < a.head_dim; ++i) output[i] *= normalize;
  }
  return finite;
}

}  // namespace
}  // namespace accllm::emulator::fast
