#pragma once

#include "accllm/descriptor.hpp"

/// \file
/// What the tasks are told to do.

namespace accel::dataflow {

/// Work of a memory channel, in the order of the command stream.
struct ChannelCommand {
  enum Kind : uint32_t { stop, weights, cache, write };
  uint32_t kind;
  /// First beat; for `write` the block's.
  uint32_t first;
  /// weights, cache: beats of a run, how many runs, and from the start of one run to the next.
  uint32_t beats;
  uint32_t runs;
  uint32_t stride;
  /// write: elements of a vector, and the slot's place in its block.
  uint32_t size;
  uint32_t lane;

  static ChannelCommand burst(Kind kind, uint32_t first, uint32_t beats) {
    return {kind, first, beats, 1, 0, 0, 0};
  }
};

/// Beats of the table port, for the vector engine or for the memory of distances.
struct TableCommand {
  enum Kind : uint32_t { stop, engine, distances };
  uint32_t kind;
  uint32_t first;
  uint32_t beats;
};

/// Work of the vector engine.
struct EngineCommand {
  enum Kind : uint32_t {
    /// The job is over; `code` and `index` say how.
    end,
    execute,
    /// A matrix whose rows the next descriptor (`then`) takes as they come: an addition to x, or SiLU with g.
    execute_both,
    /// The matrix of the keys, and beside it the queries of the attend descriptor behind it (`then`): q is
    /// complete.
    execute_beside,
  };
  uint32_t kind;
  uint32_t code;
  uint32_t index;
  Descriptor descriptor;
  Descriptor then;
};

/// A matrix for the end of the rows.
template <class C>
struct MatrixJob {
  bool stop;
  uint32_t tiles;
  uint32_t tokens;
  /// Tokens whose sums come together.
  uint32_t at_once;
  uint32_t rows;
  float scale[C::block_tokens];
};

/// Lanes of a wave that have a query head: those of `heads` heads of keys and values, `stride` lanes apart.
struct LaneSet {
  uint32_t lanes;
  uint32_t stride;
  uint32_t heads;

  bool has(uint32_t lane) const { return lane < lanes && lane % stride < heads; }
};

/// Attention of one token, a query head in every lane of a wave.
struct AttentionJob {
  bool stop;
  bool centered;
  uint32_t position;
  float score_scale;
  /// What the stages need of it: elements of a head, sinks, window and ring.
  CacheShape cache;

  static AttentionJob stopping() {
    AttentionJob job = {};
    job.stop = true;
    return job;
  }
};

/// What the arrays do next, told along the chain.
struct ArrayJob {
  enum Kind : uint32_t { stop, matrix, attention };
  uint32_t kind;
  /// matrix
  uint32_t tiles;
  uint32_t groups;
  uint32_t format;
  uint32_t tokens;
  /// The feed has the activations already: those of the matrix before. The arrays need not know.
  bool keeps_codes;
  /// attention: arrays that have a query head, and their common job.
  LaneSet lanes;
  AttentionJob wave;

  Beat beat() const {
    Beat b = zero_beat();
    set_word(b, 0, kind);
    if (kind == matrix) {
      set_word(b, 1, tiles);
      set_word(b, 2, groups);
      set_word(b, 3, format);
      set_word(b, 4, tokens);
    } else if (kind == attention) {
      set_word(b, 1, lanes.lanes);
      set_word(b, 9, lanes.stride);
      set_word(b, 10, lanes.heads);
      set_word(b, 2, wave.centered ? 1 : 0);
      set_word(b, 3, wave.position);
      set_word(b, 4, bits_of(wave.score_scale));
      set_word(b, 5, wave.cache.head_dim);
      set_word(b, 6, wave.cache.sinks);
      set_word(b, 7, wave.cache.window);
      set_word(b, 8, wave.cache.ring);
    }
    return b;
  }
  static ArrayJob from(const Beat& b) {
    ArrayJob out = {};
    out.kind = get_word(b, 0);
    if (out.kind == matrix) {
      out.tiles = get_word(b, 1);
      out.groups = get_word(b, 2);
      out.format = get_word(b, 3);
      out.tokens = get_word(b, 4);
    } else if (out.kind == attention) {
      out.lanes = LaneSet{get_word(b, 1), get_word(b, 9), get_word(b, 10)};
      out.wave.centered = get_word(b, 2) != 0;
      out.wave.position = get_word(b, 3);
      out.wave.score_scale = float_of(get_word(b, 4));
      out.wave.cache.head_dim = get_word(b, 5);
      out.wave.cache.sinks = get_word(b, 6);
      out.wave.cache.window = get_word(b, 7);
      out.wave.cache.ring = get_word(b, 8);
    }
    return out;
  }
};

/// Which lanes share the beats of which channels in one wave of attention: the n-th head's lie in the n-th
/// channel from the first on.
struct DealJob {
  bool stop;
  uint32_t first_channel;
  LaneSet lanes;
  uint32_t blocks;
  uint32_t block_beats;
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
  LaneSet lanes;
  CacheShape cache;
};

/// A vector for the cache.
struct CacheJob {
  bool stop;
  uint32_t channel;
  uint32_t elements;
};

/// What a clock that can be stopped does from now on (gate.hpp).
enum class Clock : uint32_t {
  stops,
  runs,
  /// It runs until the next job says otherwise: what is behind it ends.
  ends,
};

}  // namespace accel::dataflow
