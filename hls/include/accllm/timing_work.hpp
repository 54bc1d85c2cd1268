#pragma once

#include <algorithm>

#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"

/// \file
/// What the descriptors of a job ask of the engines and of HBM, for the modelled cycles of timing.hpp: the
/// formulas of docs/timing.md and of host/estimate/descriptor-work.ts.

namespace accel::timing {

namespace parameter = timing_parameter;

constexpr uint64_t ceil64(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

/// What one descriptor asks of the engines and of the busiest HBM channel.
struct Work {
  enum class Kind { none, matrix, attention, elementwise } kind = Kind::none;
  /// Matrix: beats of weights, cycles of the arrays, and those in which their feed gets the codes. `keys`:
  /// this is the matrix behind which the queries are complete.
  uint64_t beats = 0;
  uint64_t compute = 0;
  uint64_t feed = 0;
  bool keys = false;
  /// Attention: beats' time of keys and values in the busiest channel, cycles of the lanes over each.
  uint64_t key_beats = 0;
  uint64_t value_beats = 0;
  uint64_t key_compute = 0;
  uint64_t value_compute = 0;
  /// The key-mean term, and the exponentials.
  uint64_t mean = 0;
  uint64_t exponentials = 0;
  /// Float units: before the keys and behind the values in attention; elementwise work is all `before`.
  uint64_t before = 0;
  uint64_t behind = 0;
  /// Attention of the descriptor's first token, whose queries are made before k and v.
  bool ahead = false;
};

inline uint64_t pass(uint64_t length) { return ceil64(length, parameter::float_lanes); }

/// Waves of an attend descriptor and lanes of the first, as dataflow::Waves.
struct WaveCount {
  uint64_t count;
  uint64_t lanes;

  WaveCount(uint64_t heads, uint64_t kv_heads, uint64_t kv_channels) {
    const uint64_t group = heads / kv_heads;
    const uint64_t fit = group < parameter::attention_lanes ? parameter::attention_lanes / group : 1;
    const uint64_t most = std::min(fit, kv_channels);
    uint64_t together = 1;
    while (2 * together <= most) together *= 2;
    count = ceil64(kv_heads, together) * ceil64(group, parameter::attention_lanes);
    lanes = together * std::min<uint64_t>(group, parameter::attention_lanes);
  }
};

/// One token's attention over `slots` slots of the cache.
inline Work attention(const Descriptor& d, uint64_t slots, uint32_t channels, bool ahead) {
  const CacheShape c = cache_shape(d, channels);
  const uint64_t heads = d.field(field::attend::heads);
  const WaveCount waves(heads, c.kv_heads, channels);
  const uint64_t blocks = ceil64(slots, kv_block_slots);
  const uint64_t codes = c.block_beats - 1;
  Work w;
  w.kind = Work::Kind::attention;
  w.key_beats = waves.count * blocks * (codes + 1);
  w.value_beats = waves.count * blocks * (codes + parameter::scale_beat_time);
  w.key_compute = waves.count * blocks * std::max<uint64_t>(codes + 1, kv_block_slots);
  w.value_compute = waves.count * (blocks + 1) * std::max<uint64_t>(codes, kv_block_slots);
  w.mean = d.has(flag::centered)
               ? waves.count * blocks * kv_block_slots * ceil64(waves.lanes, parameter::mean_heads)
               : 0;
  w.exponentials = waves.count * blocks * kv_block_slots;
  w.before = waves.lanes * parameter::head_cycles * parameter::query_passes;
  w.behind = waves.lanes * parameter::head_cycles * parameter::output_passes + pass(heads * c.head_dim);
  w.ahead = ahead;
  return w;
}

/// Work of the descriptors of one job in their order.
class WorkOfJob {
 public:
  /// Pieces of a descriptor's work: in attention one a token, else one.
  static uint32_t items(const Descriptor& d, const Job& job) {
    if (d.operation() != operation::attend) return 1;
    return std::max<uint32_t>(1, job.tokens - first_token(d, job));
  }

  /// Work of a piece of the next descriptor; `item` counts within it, and each descriptor's are told in
  /// order.
  Work next(const Descriptor& d, const Job& job, uint32_t item, const Ports& ports) {
    if (item == 0) {
      taken_ = taken_along(d);
      previous_ = d;
      there_is_previous_ = true;
    }
    const uint32_t first = first_token(d, job);
    const uint64_t tokens = job.tokens - first;
    if (tokens == 0) return {};
    switch (d.operation()) {
      case operation::embed:
        squares_ = false;
        return elementwise(tokens * pass(d.field(field::embed::hidden)));
      case operation::norm: {
        const uint64_t length = d.field(field::norm::length);
        const uint64_t squares = squares_ ? 0 : ceil64(length, parameter::row_lanes);
        squares_ = false;
        codes_held_ = false;
        return elementwise(tokens * (squares + parameter::norm_passes * pass(length)));
      }
      case operation::matmul:
      case operation::logits:
        return matrix(d, first, tokens, ports.weight_channels);
      case operation::rope_kv:
        return elementwise(tokens * d.field(field::rope_kv::kv_heads) * parameter::head_cycles *
                           parameter::rope_kv_passes);
      case operation::attend: {
        codes_held_ = false;
        const Beat& record = ports.io[job.input_offset + (first + item) * job.input_stride];
        const uint64_t position = get_word(record, token_field::position);
        const CacheShape c = cache_shape(d, ports.kv_channels);
        return attention(d, std::min<uint64_t>(position + 1, c.sinks + c.ring), ports.kv_channels, item == 0);
      }
      case operation::silu_mul: {
        const uint64_t length = d.field(field::silu_mul::length);
        codes_held_ = false;
        return elementwise(tokens * ((taken_ ? 0 : ceil64(length, parameter::row_lanes)) + pass(length)));
      }
      case operation::add:
        squares_ = taken_;
        if (taken_) return {};
        return elementwise(tokens * pass(d.field(field::add::length)));
      default:
        return elementwise(tokens * pass(d.field(field::dump::length)));
    }
  }

 private:
  static Work elementwise(uint64_t cycles) {
    Work w;
    w.kind = Work::Kind::elementwise;
    w.before = cycles;
    return w;
  }

  /// Whether a descriptor is done row by row with the matrix before it.
  bool taken_along(const Descriptor& d) const {
    if (!there_is_previous_ || previous_.operation() != operation::matmul) return false;
    const uint32_t destination = previous_.field(field::matmul::destination);
    const bool fits = (d.operation() == operation::add && destination == buffer::y) ||
                      (d.operation() == operation::silu_mul && destination == buffer::u);
    return fits && d.field(field::add::length) == previous_.field(field::matmul::rows) &&
           d.has(flag::head) == previous_.has(flag::head);
  }

  Work matrix(const Descriptor& d, uint64_t first, uint64_t tokens, uint32_t channels) {
    const MatrixShape m = matrix_shape(d, channels);
    const uint64_t turns = ceil64((m.sparse ? 1 : 2) * tokens, parameter::array_banks);
    Work w;
    w.kind = Work::Kind::matrix;
    w.beats = m.beats;
    // The finished rows of a tile leave a token a clock.
    w.compute = std::max<uint64_t>(turns * m.beats, tokens * m.tiles * channels);
    // One token's codes go on to the arrays as they come.
    w.feed = (codes_held_ && codes_from_ == first) || tokens == 1 ? 0 : m.groups * tokens;
    w.keys = d.operation() == operation::matmul && d.field(field::matmul::destination) == buffer::k;
    codes_held_ = true;
    codes_from_ = first;
    return w;
  }

  Descriptor previous_ = {};
  bool there_is_previous_ = false;
  bool taken_ = false;
  /// The squares of x are summed already.
  bool squares_ = false;
  /// The arrays' feed holds the codes of the tokens from here on.
  bool codes_held_ = false;
  uint64_t codes_from_ = 0;
};

}  // namespace accel::timing
