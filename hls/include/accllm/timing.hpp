#pragma once

#include <algorithm>

#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"

/// \file
/// MODELLED cycles on the U280. No figure from a card or from Vitis stands behind this. The formulas are
/// those of docs/timing.md and of host/estimate/schedule.ts, in whole numbers so that both give the same
/// cycles; the parameters come from quant/format/timing.ts.

namespace accel::timing {

namespace parameter = timing_parameter;

constexpr uint64_t ceil64(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

/// Cycles in which an HBM channel delivers `beats`.
constexpr uint64_t transfer(uint64_t beats) { return ceil64(beats * 10000, parameter::beats_per10k_cycles); }

/// What one descriptor asks of the engines and of the busiest HBM channel.
struct Work {
  enum class Kind { none, matrix, attention, elementwise } kind = Kind::none;
  /// Matrix: beats of weights. Attention: beats of keys, and as many of values.
  uint64_t beats = 0;
  /// Matrix: cycles of the array. Attention: cycles of the lanes over the keys, and as many over the values.
  uint64_t compute = 0;
  /// Attention: the key-mean term, and the exponentials. Both zero otherwise.
  uint64_t mean = 0;
  uint64_t exponentials = 0;
  /// Float units: before the keys and behind the values in attention; elementwise work is all `before`.
  uint64_t before = 0;
  uint64_t behind = 0;
};

inline uint64_t float_cycles(uint64_t elements, uint64_t passes) {
  return ceil64(elements, parameter::float_lanes) * passes;
}

inline Work elementwise(uint64_t length, uint64_t passes, uint64_t tokens) {
  Work w;
  w.kind = Work::Kind::elementwise;
  w.before = tokens * float_cycles(length, passes);
  return w;
}

inline Work matrix(const Descriptor& d, uint64_t tokens, uint32_t channels) {
  const MatrixShape m = matrix_shape(d, channels);
  const uint64_t products = m.sparse ? 128 : 256;
  Work w;
  w.kind = Work::Kind::matrix;
  w.beats = m.beats;
  w.compute = ceil64(uint64_t{m.beats} * products * tokens, parameter::plane_macs);
  return w;
}

/// One token's attention over `keys` keys.
inline Work attention(const Descriptor& d, uint64_t keys, uint32_t channels) {
  const CacheShape c = cache_shape(d, channels);
  const uint64_t heads = d.field(field::attend::heads);
  const uint64_t elements = heads * c.head_dim;
  const uint64_t head_beats = ceil64(keys, kv_block_slots) * c.block_beats;
  const uint64_t rounds = ceil64(heads, parameter::attention_lanes);
  Work w;
  w.kind = Work::Kind::attention;
  w.beats = ceil64(c.kv_heads, channels) * head_beats;
  w.compute = rounds * head_beats;
  w.mean = d.has(flag::centered) ? ceil64(elements * keys, parameter::mean_macs) : 0;
  w.exponentials = rounds * keys;
  w.before = float_cycles(elements, parameter::query_passes);
  w.behind = float_cycles(elements, parameter::output_passes);
  return w;
}

/// Work of a descriptor for one token (attention) or for the whole job (all others).
inline Work work(const Descriptor& d, const Job& job, uint32_t token, const Ports& ports) {
  const uint64_t tokens = job.tokens - (d.has(flag::head) ? job.first_logit : 0);
  if (tokens == 0) return {};
  switch (d.operation()) {
    case operation::embed:
      return elementwise(d.field(field::embed::hidden), 1, tokens);
    case operation::norm:
      return elementwise(d.field(field::norm::length), parameter::norm_passes, tokens);
    case operation::matmul:
    case operation::logits:
      return matrix(d, tokens, ports.weight_channels);
    case operation::rope_kv:
      return elementwise(d.field(field::rope_kv::kv_heads) * d.field(field::rope_kv::head_dim),
                         parameter::rope_kv_passes, tokens);
    case operation::attend: {
      const Beat& record = ports.io[job.input_offset + token * job.input_stride];
      const CacheShape c = cache_shape(d, ports.kv_channels);
      const uint64_t keys = attention_span(c, get_word(record, token_field::position)).keys();
      return attention(d, keys, ports.kv_channels);
    }
    case operation::silu_mul:
      return elementwise(d.field(field::silu_mul::length), parameter::silu_passes, tokens);
    case operation::add:
      return elementwise(d.field(field::add::length), 1, tokens);
    default:
      return elementwise(d.field(field::dump::length), 1, tokens);
  }
}

/// The beats of one stream (weights, cache, or both where they share channels) through its prefetch buffer.
class Stream {
 public:
  /// When the channels have delivered all that was asked of them.
  uint64_t free = parameter::job_latency;

  /// Fetches beats that are used from `use` on, and no earlier than `earliest`. At that time the buffer holds
  /// at most its depth, of these beats and later ones; so the n-th beat from here on comes (n - depth) beats
  /// later. \return when the last of them is there.
  uint64_t fetch(uint64_t beats, uint64_t use, uint64_t earliest) {
    const int64_t lag = static_cast<int64_t>(use) -
                        static_cast<int64_t>(transfer(beats_ + uint64_t{parameter::prefetch_beats}));
    lag_ = std::max(lag_, lag);
    beats_ += beats;
    const uint64_t streamed = std::max(free, earliest) + transfer(beats);
    const int64_t refilled = static_cast<int64_t>(transfer(beats_)) + lag_;
    free = std::max(streamed, static_cast<uint64_t>(std::max(refilled, int64_t{0})));
    return free + parameter::read_latency;
  }

 private:
  uint64_t beats_ = 0;
  /// Least distance of an arrival from the time that the beats up to it take on the wire.
  int64_t lag_ = INT64_MIN / 2;
};

/// The schedule of one job. Descriptors compute in order; HBM fetches in the same order, ahead of the
/// computing by at most the prefetch buffer, except that a cache is fetched only once it is written.
class Schedule {
 public:
  /// Executes the next descriptor. \return by how many cycles it moves the end of the schedule, so that the
  /// sum over all descriptors is the length of the overlapped schedule.
  uint64_t cycles(const Descriptor& d, const Job& job, const Ports& ports) {
    const uint64_t before = end_;
    if (end_ == 0) end_ = parameter::job_latency;
    if (d.operation() == operation::attend) {
      for (uint32_t token = 0; token < job.tokens; ++token) advance(work(d, job, token, ports));
    } else {
      advance(work(d, job, 0, ports));
    }
    return end_ - before;
  }

 private:
  void advance(const Work& w) {
    switch (w.kind) {
      case Work::Kind::matrix:
        matrix_step(w);
        break;
      case Work::Kind::attention:
        attention_step(w);
        break;
      case Work::Kind::elementwise:
        end_ += w.before + parameter::elementwise_latency;
        break;
      default:
        break;
    }
  }

  void matrix_step(const Work& w) {
    const uint64_t start = end_;
    const uint64_t arrived = weights_.fetch(w.beats, start, 0);
    end_ = std::max(start + w.compute, arrived) + parameter::matrix_latency;
    // Where the array is the slower one, the last beats find room only as it takes others.
    if (w.beats > parameter::prefetch_beats) {
      const uint64_t late = w.beats - parameter::prefetch_beats;
      weights_.free = std::max(weights_.free, start + w.compute * late / w.beats);
    }
  }

  void attention_step(const Work& w) {
    Stream& cache = parameter::shared_channels != 0 ? weights_ : cache_;
    // Keys of this token are in the cache only when the descriptor before has ended.
    const uint64_t start = end_;
    const uint64_t query = start + w.before;
    const uint64_t keys = cache.fetch(w.beats, query, start);
    const uint64_t values = std::max({query + w.compute, query + w.mean, keys}) + w.exponentials;
    const uint64_t arrived = cache.fetch(w.beats, values, start);
    end_ = std::max(values + w.compute, arrived) + w.behind + parameter::attention_latency;
  }

  /// When the last descriptor's results are there.
  uint64_t end_ = 0;
  Stream weights_;
  Stream cache_;
};

}  // namespace accel::timing
