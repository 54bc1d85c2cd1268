#pragma once

#include "accllm/descriptor.hpp"
#include "accllm/generated/config.hpp"
#include "numbers.hpp"

/// \file
/// What travels between the tasks, and the depths of the streams that are not in the configuration.

namespace accel::dataflow {

/// Memory channels with a port: those of the weights, then or among them those of the cache.
template <class C>
constexpr uint32_t memory_channels =
    C::first_kv_channel + C::kv_channels > C::weight_channels ? C::first_kv_channel + C::kv_channels
                                                              : C::weight_channels;

/// Beats of a token record: position and the like, then cosines and sines twice.
template <class C>
constexpr uint32_t record_beats = 1 + ceil_div(2 * C::head_dim, beat_words);

/// Work of a memory channel, in the order of the command stream.
struct ChannelCommand {
  enum Kind : uint32_t { stop, weights, cache, write };
  uint32_t kind;
  /// First beat; for `write` the block's.
  uint32_t first;
  uint32_t beats;
  /// write: elements of a vector.
  uint32_t size;
  /// write: the slot's place in its block.
  uint32_t lane;
};

/// Beats of the table port, for the vector engine or for the memory of distances.
struct TableCommand {
  enum Kind : uint32_t { stop, engine, distances };
  uint32_t kind;
  uint32_t first;
  uint32_t beats;
};

/// A descriptor for the vector engine, or the end of the job with its outcome.
struct EngineCommand {
  bool end;
  uint32_t code;
  uint32_t index;
  Descriptor descriptor;
};

/// A matrix for the activation feed and for the end of the rows.
template <class C>
struct MatrixJob {
  bool stop;
  uint32_t tiles;
  uint32_t groups;
  uint32_t format;
  uint32_t tokens;
  uint32_t rows;
  float scale[C::block_tokens];
};

/// First beat of a matrix on the chain of activations, and what an array reads from it.
struct ArrayJob {
  bool stop;
  uint32_t tiles;
  uint32_t groups;
  uint32_t format;
  uint32_t tokens;

  Beat beat() const {
    Beat b = zero_beat();
    set_word(b, 0, stop ? 1 : 0);
    set_word(b, 1, tiles);
    set_word(b, 2, groups);
    set_word(b, 3, format);
    set_word(b, 4, tokens);
    return b;
  }
  static ArrayJob from(const Beat& b) {
    return {get_word(b, 0) != 0, get_word(b, 1), get_word(b, 2), get_word(b, 3), get_word(b, 4)};
  }
};

/// Sums of one tile and token, four rows, with the rows' exponents.
template <class Numbers>
struct TileSum {
  typename Numbers::template Int<48> sum[tile_rows];
  int8_t exponent[tile_rows];
};

/// Four finished rows of a token.
struct TileResult {
  float value[tile_rows];
};

/// Which lanes share the beats of which channels in one wave of attention.
struct DealJob {
  bool stop;
  /// First cache channel and how many heads of keys and values, in channels that follow each other.
  uint32_t first_channel;
  uint32_t units;
  /// Lanes of each head.
  uint32_t queries;
  uint32_t blocks;
  uint32_t block_beats;
};

/// Attention of one token and query head.
struct AttentionJob {
  bool stop;
  bool centered;
  uint32_t position;
  uint32_t sink_position;
  float score_scale;
  CacheShape cache;
};

/// What a query head brings beside its codes.
struct QueryScalars {
  int32_t window_sum;
  int32_t sink_sum;
  float window_scale;
  float sink_scale;
};

/// Work of the centering engine: distances to load, or one wave of attention.
struct CenteringJob {
  enum Kind : uint32_t { stop, load, wave };
  uint32_t kind;
  /// Beats of a distance.
  uint32_t row_beats;
  /// load: how many distances.
  uint32_t rows;
  uint32_t position;
  uint32_t sink_position;
  /// Lanes at work.
  uint32_t lanes;
  CacheShape cache;
};

/// A vector for the cache.
struct CacheJob {
  bool stop;
  uint32_t channel;
  uint32_t elements;
};

/// A beat for the io port.
struct StoreBeat {
  bool stop;
  uint32_t address;
  Beat beat;
};

/// Weights of a probability for the codes of its value.
struct SlotWeight {
  int32_t factor;
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

/// Depths that follow from what a stage must hold before the next can start.
template <class C>
struct Depth {
  /// A query waits while the one before is at work.
  static constexpr uint32_t queries = query_beats<C>;
  static constexpr uint32_t head = 2;
  /// All scores of a head wait for its maximum.
  static constexpr uint32_t scores = C::slots;
  /// All values' codes of a head wait for the largest exponent.
  static constexpr uint32_t value_codes =
      C::slots / kv_block_slots * ceil_div(kv_block_slots * C::head_dim / 2, beat_bytes);
  static constexpr uint32_t value_scales = 16;
  static constexpr uint32_t weights = 4 * kv_block_slots;
  static constexpr uint32_t outputs = ceil_div(C::head_dim, beat_words);
  static constexpr uint32_t sums = C::head_dim;
  static constexpr uint32_t means = 64;
  static constexpr uint32_t table = 64;
  static constexpr uint32_t store = 16;
  static constexpr uint32_t tile_sums = 2 * C::block_tokens;
  static constexpr uint32_t results = 64;
  static constexpr uint32_t codes = 64;
  static constexpr uint32_t cache_writes = 2 * (1 + ceil_div(C::head_dim, 128));
};

}  // namespace accel::dataflow
