#pragma once

#include "kernels/check.hpp"
#include "kernels/kv_cache.hpp"
#include "plan.hpp"
#include "wires.hpp"

/// \file
/// Reads the job and its descriptors and runs ahead of the engines: every memory channel gets its work in
/// order, as far ahead as the streams allow. That is what prefetches the weights of the next matrix during
/// norms and attention. Where weights and cache share a channel, the beginning of the next matrix, as much as
/// the stream of weights holds, is asked for before the cache is touched, because the port works in order.

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
      const Descriptor d = load_descriptor(io_[job_.command_offset + index]);
      code = check(d);
      if (code != status_code::ok) break;
      wires_.engine_commands.write(EngineCommand{false, code, index, d});
      if (first_token(d, job_) < job_.tokens) dispatch(d, index);
    }
    wires_.engine_commands.write(EngineCommand{true, code, index, Descriptor{}});
    for (uint32_t c = 0; c < memory_channels<C>; ++c) {
#pragma HLS UNROLL
      wires_.channel_commands[c].write(ChannelCommand{ChannelCommand::stop, 0, 0, 0, 0});
    }
    wires_.table_commands.write(TableCommand{TableCommand::stop, 0, 0});
    wires_.deal_jobs.write(DealJob{true, 0, 0, 0, 0, 0});
  }

 private:
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

  void dispatch(const Descriptor& d, uint32_t index) {
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
        multiply(d);
        break;
      case operation::logits:
        multiply(d);
        break;
      case operation::rope_kv:
        means(d);
        fetch_ahead(index);
        write_cache(d);
        break;
      case operation::attend:
        means(d);
        if (distances_.load(d)) load_distances(d);
        fetch_ahead(index);
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

  void multiply(const Descriptor& d) {
    weights(d, ahead_, matrix_shape(d, C::weight_channels).beats - ahead_);
    ahead_ = 0;
  }

  /// The same part of a matrix in every channel.
  void weights(const Descriptor& d, uint32_t skip, uint32_t beats) {
    for (uint32_t c = 0; c < C::weight_channels; ++c) {
#pragma HLS UNROLL
      wires_.channel_commands[c].write(
          ChannelCommand{ChannelCommand::weights, d.field(field::matmul::weight_offset) + skip, beats, 0, 0});
    }
  }

  /// Asks for the beginning of the next matrix. No more than the streams hold: a channel that waits for room
  /// in its stream of weights could never deliver the keys on which the weights' consumer waits.
  void fetch_ahead(uint32_t index) {
    if (ahead_ > 0) return;
    for (uint32_t next = index + 1; next < job_.command_count; ++next) {
      const Descriptor d = load_descriptor(io_[job_.command_offset + next]);
      if (d.operation() != operation::matmul && d.operation() != operation::logits) continue;
      if (check(d) != status_code::ok || first_token(d, job_) >= job_.tokens) return;
      const uint32_t beats = matrix_shape(d, C::weight_channels).beats;
      ahead_ = beats < C::prefetch_beats ? beats : C::prefetch_beats;
      weights(d, 0, ahead_);
      return;
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
          wires_.channel_commands[C::first_kv_channel + head % C::kv_channels].write(ChannelCommand{
              ChannelCommand::write, cache_block(c, region, slot), 0, c.head_dim, slot % kv_block_slots});
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
        wires_.deal_jobs.write(DealJob{false, first % C::kv_channels, waves.units(wave), waves.queries(wave),
                                       blocks, c.block_beats});
        for (uint32_t unit = 0; unit < waves.units(wave); ++unit) {
          for (uint32_t values = 0; values < 2; ++values) {
#pragma HLS PIPELINE II = 1
            const uint32_t region = cache_region(c, (first + unit) / C::kv_channels, values != 0);
            wires_.channel_commands[C::first_kv_channel + (first + unit) % C::kv_channels].write(
                ChannelCommand{ChannelCommand::cache, region, blocks * c.block_beats, 0, 0});
          }
        }
      }
    }
  }

  const Beat* const io_;
  const Job job_;
  Wires<C, Numbers>& wires_;
  DistanceTable distances_;
  /// Beats of the next matrix that are asked for already.
  uint32_t ahead_ = 0;
};

}  // namespace accel::dataflow
