#pragma once

#include "accllm/descriptor.hpp"
#include "accllm/generated/config.hpp"
#include "jobs.hpp"
#include "numbers.hpp"

/// \file
/// What travels between the tasks besides jobs, and the depths of the streams that are not in the
/// configuration.

namespace accel::dataflow {

/// Memory channels with a port: those of the weights, then or among them those of the cache.
template <class C>
constexpr uint32_t memory_channels =
    C::first_kv_channel + C::kv_channels > C::weight_channels ? C::first_kv_channel + C::kv_channels
                                                              : C::weight_channels;

/// Beats of a token record: position and the like, then cosines and sines twice.
template <class C>
constexpr uint32_t record_beats = 1 + ceil_div(2 * C::head_dim, beat_words);

/// The chain of activations from array to array: a group of two tokens, or a job in the first beat.
struct ChainBeat {
  Beat token[2];
};

/// Sums of one tile, four rows by two tokens, with the rows' exponents.
template <class Numbers>
struct TileSums {
  typename Numbers::template Int<48> sum[tile_rows][2];
  int8_t exponent[tile_rows];
};

/// Four finished rows of two tokens.
struct TileResult {
  float value[tile_rows][2];
};

/// q . k of two keys.
struct KeyDots {
  int32_t low;
  int32_t high;
};

/// Eight elements of a block's weighted values, of eighteen bits, and their shift to the head's exponent.
struct BlockSums {
  static constexpr uint32_t elements = 8;
  int32_t sum[elements];
  int32_t shift;
};

/// What a query head brings beside its codes.
struct QueryScalars {
  int32_t window_sum;
  int32_t sink_sum;
  float window_scale;
  float sink_scale;
};

/// A beat for the io port.
struct StoreBeat {
  bool stop;
  uint32_t address;
  Beat beat;
};

/// Weights of the values that one beat of codes holds, and the shift of their block.
struct WeightPair {
  int32_t first;
  int32_t second;
  int32_t shift;
};

/// What ends a head: exponents, the sum of minima, the reciprocal.
struct HeadSum {
  int32_t code_exponent;
  int32_t minimum_exponent;
  int64_t minimum_sum;
  uint64_t total;
};

/// Beats of the codes of one query: int8, window and sink.
template <class C>
constexpr uint32_t query_beats = 2 * ceil_div(C::head_dim, beat_bytes);

/// Arrays: as many as there are weight channels, or lanes if these are more.
template <class C>
constexpr uint32_t arrays = C::lanes > C::weight_channels ? C::lanes : C::weight_channels;

/// Depths that follow from what a stage must hold before the next can start.
template <class C>
struct Depth {
  /// A query waits while the one before is at work.
  static constexpr uint32_t queries = query_beats<C>;
  static constexpr uint32_t head = 2;
  /// All scores of a head wait for the largest.
  static constexpr uint32_t scores = C::slots;
  /// All mean terms of a head, which is made before its keys arrive.
  static constexpr uint32_t means = C::slots;
  static constexpr uint32_t scales = 4;
  static constexpr uint32_t dots = kv_block_slots;
  static constexpr uint32_t weights = 2 * kv_block_slots;
  static constexpr uint32_t block_sums = kv_block_slots;
  static constexpr uint32_t outputs = ceil_div(C::head_dim, beat_words);
  static constexpr uint32_t table = 64;
  static constexpr uint32_t store = 16;
  static constexpr uint32_t tile_sums = ceil_div(C::block_tokens, 2) + 2;
  static constexpr uint32_t results = 64;
  static constexpr uint32_t codes = 64;
  static constexpr uint32_t cache_writes = 2 * (1 + ceil_div(C::head_dim, 128));
};

}  // namespace accel::dataflow
