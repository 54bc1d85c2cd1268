#pragma once

#include "kernels/check.hpp"
#include "kernels/kv_cache.hpp"
#include "plan.hpp"
#include "wires.hpp"

/// \file
/// Reads the job and its descriptors and runs ahead of the engines: every memory channel gets its work in
/// order, as far ahead as the streams allow. That is what prefetches the weights of the next matrix during
/// norms and attention. Where weights and cache share a channel its port works in order: keys and values
/// first, and behind them, while they are at work, as many of the next weights as their stream holds.

namespace accel::dataflow {

template <class C, class Numbers>
class Sequencer {
 public:
  Sequencer(const Beat* io, uint32_t job_beat, Wires<C, Numbers>& wires)
      : io_(io), job_(load_job(io[job_beat])), wires_(wires) {}

  void run() {
    uint32_t code = status_code::ok;
    if (job_.abi != abi_version) {
      code = status_code::abi_mismatch;
    } else if (!in_range(job_.tokens, C::block_tokens) || job_.first_logit > job_.tokens) {
      code = status_code::bad_job;
    }
    Job told = job_;
    if (code != status_code::ok) told.tokens = 0;
    wires_.job.write(told);
    if (code == status_code::ok) send_records();
    uint32_t index = 0;
    for (; code == status_code::ok && index < job_.command_count; ++index) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 1024
      const Descriptor d = descriptor(index);
      code = check(d);
      if (code != status_code::ok) break;
      const bool both = taken_with(d, index);
      EngineCommand command = {both ? EngineCommand::execute_both : EngineCommand::execute, code, index, d,
                               both ? descriptor(index + 1) : Descriptor{}};
      if (completes_queries(d) && !prepared_) prepare(index, command);
      wires_.engine_commands.write(command);
      if (first_token(d, job_) < job_.tokens) dispatch(d);
      if (both) ++index;
    }
    wires_.engine_commands.write(EngineCommand{EngineCommand::end, code, index, Descriptor{}, Descriptor{}});
    for (uint32_t c = 0; c < memory_channels<C>; ++c) {
#pragma HLS UNROLL
      wires_.channel_commands[c].write(ChannelCommand::burst(ChannelCommand::stop, 0, 0));
    }
    wires_.table_commands.write(TableCommand{TableCommand::stop, 0, 0});
    wires_.deal_jobs.write(DealJob{true, 0, {}, 0, 0});
  }

 private:
  Descriptor descriptor(uint32_t index) const { return load_descriptor(io_[job_.command_offset + index]); }
  const Beat& record(uint32_t token) const { return io_[job_.input_offset + token * job_.input_stride]; }

  void send_records() {
    for (uint32_t t = 0; t < job_.tokens; ++t) {
      for (uint32_t b = 0; b < job_.input_stride && b < record_beats<C>; ++b) {
#pragma HLS PIPELINE II = 1
        wires_.records.write(io_[job_.input_offset + t * job_.input_stride + b]);
      }
    }
  }

  uint32_t check(const Descriptor& d) const {
    if (!valid_descriptor<C>(d, C::weight_channels)) return status_code::bad_descriptor;
    if (d.operation() != operation::embed) return status_code::ok;
    for (uint32_t t = first_token(d, job_); t < job_.tokens; ++t) {
      if (get_word(record(t), token_field::token) >= d.field(field::embed::vocabulary))
        return status_code::bad_job;
    }
    return status_code::ok;
  }

  /// Whether the descriptor behind a matrix takes its rows as they come, so that it costs no pass of its own.
  bool taken_with(const Descriptor& d, uint32_t index) const {
    if (d.operation() != operation::matmul || index + 1 >= job_.command_count) return false;
    const Descriptor next = descriptor(index + 1);
    const uint32_t destination = d.field(field::matmul::destination);
    const bool fits = (next.operation() == operation::add && destination == buffer::y) ||
                      (next.operation() == operation::silu_mul && destination == buffer::u);
    // The length stands in the same place in both.
    return fits && next.field(field::add::length) == d.field(field::matmul::rows) &&
           first_token(next, job_) == first_token(d, job_) && check(next) == status_code::ok;
  }

  /// Whether q is complete once all before this descriptor is done.
  bool completes_queries(const Descriptor& d) const {
    return d.operation() == operation::matmul && d.field(field::matmul::destination) == buffer::k &&
           first_token(d, job_) < job_.tokens;
  }

  /// Has the engine make the queries, and the engine of key means their terms, while k and v are multiplied.
  void prepare(uint32_t index, EngineCommand& keys) {
    for (uint32_t next = index; next < job_.command_count; ++next) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 8
      const Descriptor d = descriptor(next);
      if (check(d) != status_code::ok) return;
      if (d.operation() == operation::attend) {
        // Where no token's output is wanted nothing would take the queries.
        if (first_token(d, job_) >= job_.tokens) return;
        means(d);
        if (distances_.load(d)) load_distances(d);
        keys.kind = EngineCommand::execute_beside;
        keys.then = d;
        prepared_ = true;
        return;
      }
      const uint32_t destination = d.field(field::matmul::destination);
      const bool spares_queries =
          d.operation() == operation::rope_kv || d.operation() == operation::dump ||
          (d.operation() == operation::matmul && (destination == buffer::k || destination == buffer::v));
      if (!spares_queries) return;
    }
  }

  void dispatch(const Descriptor& d) {
    switch (d.operation()) {
      case operation::embed:
        for (uint32_t t = first_token(d, job_); t < job_.tokens; ++t) {
          const uint32_t id = get_word(record(t), token_field::token);
          table(d.field(field::embed::table_offset) + id * d.field(field::embed::row_beats),
                ceil_div(d.field(field::embed::hidden), 32));
        }
        break;
      case operation::norm:
        table(d.field(field::norm::gain_offset), ceil_div(d.field(field::norm::length), beat_words));
        break;
      case operation::matmul:
        if (d.has(flag::biased))
          table(d.field(field::matmul::bias_offset), ceil_div(d.field(field::matmul::rows), beat_words));
        weights(d);
        break;
      case operation::logits:
        weights(d);
        break;
      case operation::rope_kv:
        means(d);
        write_cache(d);
        break;
      case operation::attend:
        if (!prepared_ || more_than_prepared<C>(d, job_)) means(d);
        if (distances_.load(d)) load_distances(d);
        prepared_ = false;
        read_cache(d);
        break;
      default:
        break;
    }
  }

  void table(uint32_t first, uint32_t beats) {
    wires_.table_commands.write(TableCommand{TableCommand::engine, first, beats});
  }

  /// Key means of a layer; the field is the same in rope_kv and attend.
  void means(const Descriptor& d) {
    if (!d.has(flag::centered)) return;
    const uint32_t elements = d.field(field::rope_kv::kv_heads) * d.field(field::rope_kv::head_dim);
    table(d.field(field::rope_kv::mean_offset), ceil_div(elements, beat_words));
  }

  void load_distances(const Descriptor& d) {
    const uint32_t last = get_word(record(job_.tokens - 1), token_field::position);
    const uint32_t beats = distance_count(d, last) * d.field(field::attend::distance_beats);
    wires_.table_commands.write(
        TableCommand{TableCommand::distances, d.field(field::attend::distance_offset), beats});
  }

  /// A matrix's beats are the same in every channel.
  void weights(const Descriptor& d) {
    const uint32_t beats = matrix_shape(d, C::weight_channels).beats;
    for (uint32_t c = 0; c < C::weight_channels; ++c) {
#pragma HLS UNROLL
      wires_.channel_commands[c].write(
          ChannelCommand::burst(ChannelCommand::weights, d.field(field::matmul::weight_offset), beats));
    }
  }

  uint32_t position(uint32_t token) const { return get_word(record(token), token_field::position); }

  void write_cache(const Descriptor& d) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    for (uint32_t t = first_token(d, job_); t < job_.tokens; ++t) {
      const uint32_t slot = slot_of(c, position(t));
      for (uint32_t head = 0; head < c.kv_heads; ++head) {
        for (uint32_t values = 0; values < 2; ++values) {
#pragma HLS PIPELINE II = 1
          const uint32_t region = cache_region(c, head / C::kv_channels, values != 0);
          wires_.channel_commands[C::first_kv_channel + head % C::kv_channels].write(
              ChannelCommand{ChannelCommand::write, cache_block(c, region, slot), 0, 0, 0, c.head_dim,
                             slot % kv_block_slots});
        }
      }
    }
  }

  void read_cache(const Descriptor& d) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    const Waves<C> waves(c, d.field(field::attend::heads));
    for (uint32_t t = first_token(d, job_); t < job_.tokens; ++t) {
      const uint32_t blocks = SlotWalk(c, position(t)).blocks();
      for (uint32_t wave = 0; wave < waves.count; ++wave) {
        const uint32_t first = waves.first_kv_head(wave);
        wires_.deal_jobs.write(
            DealJob{false, first % C::kv_channels, waves.lanes(wave), blocks, c.block_beats});
        for (uint32_t unit = 0; unit < waves.units(wave); ++unit) {
          auto& channel = wires_.channel_commands[C::first_kv_channel + (first + unit) % C::kv_channels];
          const uint32_t keys = cache_region(c, (first + unit) / C::kv_channels, false);
          const uint32_t values = cache_region(c, (first + unit) / C::kv_channels, true);
          channel.write(ChannelCommand::burst(ChannelCommand::cache, keys, blocks * c.block_beats));
          // The weights of the values wait for all their scales, so these come first.
          channel.write(ChannelCommand{ChannelCommand::cache, values, 1, blocks, c.block_beats, 0, 0});
          channel.write(ChannelCommand{ChannelCommand::cache, values + 1, c.block_beats - 1, blocks,
                                       c.block_beats, 0, 0});
        }
      }
    }
  }

  const Beat* const io_;
  const Job job_;
  Wires<C, Numbers>& wires_;
  DistanceTable distances_;
  /// Whether the next attend descriptor's queries and key means are on their way already.
  bool prepared_ = false;
};

}  // namespace accel::dataflow
