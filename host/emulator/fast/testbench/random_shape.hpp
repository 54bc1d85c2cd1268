#pragma once

#include <cstdint>
#include <initializer_list>

#include "accllm/generated/format.hpp"
#include "testbench/check.hpp"

/// \file
/// Sizes of a random layer.

namespace cases {

using namespace accel;

struct Shape {
  uint32_t weight_channels, kv_channels;
  uint32_t hidden, intermediate, vocabulary;
  uint32_t heads, kv_heads, head_dim;
  uint32_t sinks, window, ring;
  bool hadamard, centered;
  /// Whether queries, keys, values and the attention's output have a bias.
  bool biased;
  /// Fixed for all matrices, or 4 for a random one each.
  uint32_t format;
  uint32_t layers;
  /// Whether the last layer does for tokens before firstLogit no more than their keys and values.
  bool ends_early;
  /// Whether every activation is dumped.
  bool dumps;
  /// Whether codes are as quantizers make them and only single tokens' logits are wanted.
  bool benchmark;
  /// Whether all bits of all weights are ones and embeddings and gains the same: every activation is then 127
  /// until attention has been at work, and sums are as large as they get.
  bool flat;
};

inline uint32_t pick(bench::Random& random, std::initializer_list<uint32_t> from) {
  return from.begin()[random.below(static_cast<uint32_t>(from.size()))];
}

inline Shape random_shape(bench::Random& random) {
  Shape s;
  s.weight_channels = pick(random, {1, 2, 3, 5, 28});
  s.kv_channels = pick(random, {1, 2, 4});
  s.head_dim = pick(random, {2, 4, 6, 8, 10, 16, 20, 32, 48, 64, 80, 96, 128, 250, 256});
  s.kv_heads = 1 + random.below(3);
  s.heads = s.kv_heads * pick(random, {1, 1, 2, 3, 4, 8, 13});
  if (s.heads * s.head_dim > limit::head_elements) s.heads = s.kv_heads;
  s.hidden = 1 + random.below(random.below(4) == 0 ? 700 : 150);
  s.intermediate = 1 + random.below(pick(random, {200, 200, 200, 200, 200, 200, 200, 900, 900, 5000}));
  s.vocabulary = 1 + random.below(100);
  s.sinks = random.below(3) == 0 ? 0 : random.below(random.below(4) == 0 ? 40 : 6);
  s.window = 1 + random.below(random.below(2) == 0 ? 8 : 70);
  s.ring = s.window + limit::block_tokens - 1 + (random.below(3) == 0 ? random.below(9) : 0);
  s.hadamard = random.below(2) == 0;
  s.centered = random.below(2) == 0;
  s.format = random.below(5);
  s.layers = 1 + random.below(2);
  s.ends_early = random.below(3) != 0;
  s.dumps = true;
  s.benchmark = false;
  s.flat = random.below(4) == 0;
  // Enough groups for sums to leave 32 bits; few rows where those are many.
  if (s.flat && random.below(2) == 0) s.intermediate += 2000;
  if (s.flat && random.below(3) == 0) {
    s.hidden = 1 + random.below(20);
    s.intermediate = 16700 + random.below(3000);
    s.format = random.below(2);
  }
  s.biased = random.below(2) == 0;
  return s;
}

}  // namespace cases
