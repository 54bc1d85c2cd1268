#pragma once

#include "engine_memory.hpp"
#include "kernels/attention.hpp"
#include "kernels/rope_kv.hpp"
#include "plan.hpp"
#include "results.hpp"
#include "wires.hpp"

/// \file
/// The vector engine's work on heads: keys and values on their way to the cache, queries on their way to the
/// lanes, and the lanes' outputs. Loops over heads are pipelined, a head of 128 elements in as many clocks as
/// float_lanes need for its passes.

namespace accel::dataflow {

/// Clocks of a loop's turn over heads: its passes over 128 elements, float_lanes a clock.
constexpr uint32_t cache_clocks = timing_parameter::rope_kv_passes * timing_parameter::head_cycles;
constexpr uint32_t query_clocks = timing_parameter::query_passes * timing_parameter::head_cycles;
constexpr uint32_t output_clocks = timing_parameter::output_passes * timing_parameter::head_cycles;

template <class C, class Numbers>
class Heads {
  static_assert(C::head_dim == timing_parameter::head_cycles * timing_parameter::float_lanes,
                "a pass over the longest head takes head_cycles");

 public:
  Heads(EngineMemory<C>& memory, Wires<C, Numbers>& wires)
      : memory_(memory), act_(memory.act), wires_(wires) {}

  /// Keys centered and rotated, values rotated, to the quantizer of the cache.
  void write_cache(const Descriptor& d, const Job& job) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    const bool rotate = d.has(flag::hadamard);
    const bool centered = d.has(flag::centered);
    if (centered) take_means(c);
    for (uint32_t t = first_token(d, job); t < job.tokens; ++t) {
      for (uint32_t head = 0; head < c.kv_heads; ++head) {
#pragma HLS PIPELINE II = cache_clocks
#pragma HLS LOOP_TRIPCOUNT min = 2 max = 64
        float v[C::head_dim];
        center_key<C::head_dim>(act_.k[t] + head * c.head_dim, centered ? memory_.row : nullptr,
                                head * c.head_dim, c.head_dim, v);
        rope<C::head_dim>(v, c.head_dim, memory_.records[t] + 1, 0);
        if (rotate) hadamard<C::head_dim>(v, c.head_dim);
        send_vector(head, v, c.head_dim);
        for (uint32_t i = 0; i < C::head_dim && i < c.head_dim; ++i) v[i] = act_.v[t][head * c.head_dim + i];
        if (rotate) hadamard<C::head_dim>(v, c.head_dim);
        send_vector(head, v, c.head_dim);
      }
    }
  }

  /// The first wave of queries of the first token that attends, while the arrays multiply keys.
  void prepare(const Descriptor& d, const Job& job) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    if (d.has(flag::centered)) take_means(c);
    load_distances(d, job);
    send_wave(d, c, Waves<C>(c, d.field(field::attend::heads)), 0, first_token(d, job));
    prepared_ = true;
  }

  void attend(const Descriptor& d, const Job& job) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    const uint32_t heads = d.field(field::attend::heads);
    const Waves<C> waves(c, heads);
    wires_.lane_clock.write(Clock::runs);
    if (d.has(flag::centered) && (!prepared_ || more_than_prepared<C>(d, job))) take_means(c);
    load_distances(d, job);
    for (uint32_t t = first_token(d, job); t < job.tokens; ++t) {
      if (!prepared_) send_wave(d, c, waves, 0, t);
      prepared_ = false;
      start_wave(d, c, waves, 0, t);
      AbsMax largest;
      for (uint32_t wave = 0; wave < waves.count; ++wave) {
        // The queries of a wave are made while the wave before is at work.
        if (wave + 1 < waves.count) {
          send_wave(d, c, waves, wave + 1, t);
          start_wave(d, c, waves, wave + 1, t);
        }
        take_wave(d, c, waves, wave, largest);
      }
      act_.a_scale[t] =
          quantize_activations(memory_.scratch, largest, heads * c.head_dim, act_.a[t], act_.non_finite);
    }
    // All outputs are here, so no lane is at work.
    wires_.lane_clock.write(Clock::stops);
  }

 private:
  /// Key means of a layer.
  void take_means(const CacheShape& c) {
    take_row(memory_, wires_, ceil_div(c.kv_heads * c.head_dim, beat_words));
  }

  void load_distances(const Descriptor& d, const Job& job) {
    if (!distances_.load(d)) return;
    CenteringJob load = {};
    load.kind = CenteringJob::load;
    load.row_beats = d.field(field::attend::distance_beats);
    load.rows = distance_count(d, token_word(job.tokens - 1, token_field::position));
    wires_.mean_clock.write(Clock::runs);
    wires_.centering_jobs.write(load);
  }

  uint32_t token_word(uint32_t token, uint32_t field) const {
    return get_word(memory_.records[token][0], field);
  }

  void send_vector(uint32_t head, const float* v, uint32_t elements) {
    wires_.cache_jobs.write(CacheJob{false, head % C::kv_channels, elements});
    send_floats(wires_.cache_floats, v, elements);
  }

  /// Queries of a wave, and the start of their key means.
  void send_wave(const Descriptor& d, const CacheShape& c, const Waves<C>& waves, uint32_t wave, uint32_t t) {
    const LaneSet lanes = waves.lanes(wave);
    if (d.has(flag::centered)) {
      wires_.mean_clock.write(Clock::runs);
      wires_.centering_jobs.write(CenteringJob{CenteringJob::wave, 0, 0, token_word(t, token_field::position),
                                               token_word(t, token_field::sink_position), lanes, c});
    }
    for (uint32_t lane = 0; lane < lanes.lanes; ++lane) {
#pragma HLS PIPELINE II = query_clocks
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 32
      if (lanes.has(lane)) send_query(d, c, waves.head(wave, lane), waves.kv_head(wave, lane), lane, t);
    }
  }

  void send_query(const Descriptor& d, const CacheShape& c, uint32_t head, uint32_t kv_head, uint32_t lane,
                  uint32_t t) {
    const bool rotate = d.has(flag::hadamard);
    const float* query = act_.q[t] + head * c.head_dim;
    const Beat* angles = memory_.records[t] + 1;
    const auto window = quantize_query<C::head_dim>(query, c.head_dim, angles, 0, rotate, act_.non_finite);
    const auto sink =
        quantize_query<C::head_dim>(query, c.head_dim, angles, c.head_dim, rotate, act_.non_finite);
    wires_.query_scalars[lane].write(QueryScalars{window.sum, sink.sum, window.scale, sink.scale});
    send_codes<8>(wires_.queries[lane], window.codes, c.head_dim);
    send_codes<8>(wires_.queries[lane], sink.codes, c.head_dim);
    if (!d.has(flag::centered)) return;
    const auto mean = mean_term<C::head_dim>(query, memory_.row, kv_head * c.head_dim, c.head_dim,
                                             d.float_field(field::attend::mean_scale_bits), act_.non_finite);
    wires_.centering_factors.write(mean.factor);
    send_codes<16>(wires_.centering_codes, mean.codes, c.head_dim);
  }

  /// Tells the arrays, behind the matrices that they have been told before.
  void start_wave(const Descriptor& d, const CacheShape& c, const Waves<C>& waves, uint32_t wave,
                  uint32_t t) {
    ArrayJob job = {};
    job.kind = ArrayJob::attention;
    job.lanes = waves.lanes(wave);
    job.wave = AttentionJob{false, d.has(flag::centered), token_word(t, token_field::position),
                            d.float_field(field::attend::score_scale_bits), c};
    wires_.feed_jobs.write(job);
  }

  void take_wave(const Descriptor& d, const CacheShape& c, const Waves<C>& waves, uint32_t wave,
                 AbsMax& largest) {
    const LaneSet lanes = waves.lanes(wave);
    for (uint32_t lane = 0; lane < lanes.lanes; ++lane) {
#pragma HLS PIPELINE II = output_clocks
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 32
      if (!lanes.has(lane)) continue;
      float* output = memory_.scratch + waves.head(wave, lane) * c.head_dim;
      for (uint32_t i = 0; i < c.head_dim; i += beat_words) {
        const Beat beat = wires_.outputs[lane].read();
        for (uint32_t k = 0; k < beat_words; ++k) {
#pragma HLS UNROLL
          output[i + k] = float_of(get_word(beat, k));
        }
      }
      if (d.has(flag::hadamard)) rotate_output<C::head_dim>(output, c.head_dim);
      for (uint32_t i = 0; i < C::head_dim && i < c.head_dim; ++i) largest.take(output[i]);
    }
  }

  EngineMemory<C>& memory_;
  ActivationsOf<C>& act_;
  Wires<C, Numbers>& wires_;
  DistanceTable distances_;
  /// Whether the next attend descriptor's first queries are on their way already.
  bool prepared_ = false;
};

}  // namespace accel::dataflow
