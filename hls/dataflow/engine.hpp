#pragma once

#include "array.hpp"
#include "heads.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/execute.hpp"
#include "kernels/norm.hpp"
#include "results.hpp"

/// \file
/// The vector engine: owns the activations of the block, does all float work, and gives matrices, vectors for
/// the cache and queries to the other engines. The functions it calls are those of hls/kernels.

namespace accel::dataflow {

template <class C, class Numbers>
class Engine {
 public:
  Engine(EngineMemory<C>& memory, Wires<C, Numbers>& wires)
      : memory_(memory), act_(memory.act), wires_(wires), heads_(memory, wires), rows_(memory, wires) {}

  void run() {
    act_.non_finite = false;
    for (uint32_t t = 0; t < C::block_tokens; ++t) memory_.squares_there[t] = false;
    job_ = wires_.job.read();
    for (uint32_t t = 0; t < job_.tokens; ++t) {
      for (uint32_t b = 0; b < job_.input_stride && b < record_beats<C>; ++b) {
#pragma HLS PIPELINE II = 1
        memory_.records[t][b] = wires_.records.read();
      }
    }
    wires_.lane_clock.write(Clock::stops);
    uint64_t before = now();
    EngineCommand command = wires_.engine_commands.read();
    while (command.kind != EngineCommand::end) {
      const Descriptor& d = command.descriptor;
      execute(d, command.kind, command.then);
      const uint64_t after = now();
      cycles_[d.operation() % counter_count] += after - before;
      before = after;
      command = wires_.engine_commands.read();
    }
    stop(command);
  }

 private:
  uint64_t now() {
    wires_.clock_requests.write(true);
    return wires_.clock_times.read();
  }

  /// `then`: what else the command is about (EngineCommand).
  void execute(const Descriptor& d, uint32_t kind, const Descriptor& then) {
    const bool both = kind == EngineCommand::execute_both;
    const uint32_t first = first_token(d, job_);
    if (first >= job_.tokens) return;
    switch (d.operation()) {
      case operation::embed:
        for (uint32_t t = first; t < job_.tokens; ++t) {
          take_row(memory_, wires_, ceil_div(d.field(field::embed::hidden), 32));
          embed(memory_.row, d.field(field::embed::hidden), act_.x[t]);
          memory_.squares_there[t] = false;
        }
        break;
      case operation::norm:
        take_row(memory_, wires_, ceil_div(d.field(field::norm::length), beat_words));
        for (uint32_t t = first; t < job_.tokens; ++t) norm(d, t);
        break;
      case operation::matmul:
        multiply(d, first);
        if (kind == EngineCommand::execute_beside) heads_.prepare(then, job_);
        rows_.store(d, both ? &then : nullptr, job_, first);
        break;
      case operation::logits:
        multiply(d, first);
        rows_.store_logits(d, job_, first);
        break;
      case operation::rope_kv:
        heads_.write_cache(d, job_);
        break;
      case operation::attend:
        heads_.attend(d, job_);
        break;
      case operation::silu_mul:
        for (uint32_t t = first; t < job_.tokens; ++t) silu_mul(act_, t, d.field(field::silu_mul::length));
        break;
      case operation::add:
        for (uint32_t t = first; t < job_.tokens; ++t) {
          add(act_, t, d.field(field::add::length));
          memory_.squares_there[t] = false;
        }
        break;
      default:
        for (uint32_t t = first; t < job_.tokens; ++t) rows_.dump(d, t);
        break;
    }
    if (makes_codes(d) || (both && makes_codes(then))) codes_sent_from_ = C::block_tokens;
  }

  /// Squares are there where x was completed by an addition of as many rows.
  void norm(const Descriptor& d, uint32_t t) {
    const uint32_t length = d.field(field::norm::length);
    if (!memory_.squares_there[t] || memory_.squares_length != length) {
      memory_.squares[t] = sum_squares(act_.x[t], length);
    }
    memory_.squares_there[t] = false;
    normalize(act_.x[t], memory_.squares[t], memory_.row, length, d.float_field(field::norm::epsilon_bits),
              memory_.scratch, act_.a[t], act_.a_scale[t], act_.non_finite);
  }

  /// Whether a descriptor makes new codes for the matrices behind it.
  static bool makes_codes(const Descriptor& d) {
    return d.operation() == operation::norm || d.operation() == operation::attend ||
           d.operation() == operation::silu_mul;
  }

  /// Starts a matrix: job and codes to the arrays, scales to the end of the rows.
  void multiply(const Descriptor& d, uint32_t first) {
    const MatrixShape m = matrix_shape(d, C::weight_channels);
    MatrixJob<C> rows = {false, m.tiles, job_.tokens - first, tokens_at_once(m.sparse), m.rows, {}};
    for (uint32_t t = first; t < job_.tokens; ++t) rows.scale[t - first] = act_.a_scale[t];
    wires_.row_jobs.write(rows);
    ArrayJob job = {};
    job.kind = ArrayJob::matrix;
    job.tiles = m.tiles;
    job.groups = m.groups;
    job.format = m.format;
    job.tokens = job_.tokens - first;
    job.keeps_codes = codes_sent_from_ == first;
    wires_.feed_jobs.write(job);
    if (job.keeps_codes) return;
    codes_sent_from_ = first;
    for (uint32_t t = first; t < job_.tokens; ++t) {
      for (uint32_t g = 0; g < m.groups; ++g) {
#pragma HLS PIPELINE II = 1
        Beat beat = zero_beat();
        for (uint32_t i = 0; i < group_size; ++i) {
#pragma HLS UNROLL
          set_bits(beat, 8 * i, 8, static_cast<uint8_t>(act_.a[t][g * group_size + i]));
        }
        wires_.codes.write(beat);
      }
    }
  }

  /// Ends every engine behind this one, for which its clock has to run, then writes the status.
  void stop(const EngineCommand& end) {
    wires_.lane_clock.write(Clock::ends);
    wires_.mean_clock.write(Clock::ends);
    MatrixJob<C> matrix = {};
    matrix.stop = true;
    wires_.row_jobs.write(matrix);
    wires_.feed_jobs.write(ArrayJob{});
    CenteringJob centering = {};
    centering.kind = CenteringJob::stop;
    wires_.centering_jobs.write(centering);
    wires_.cache_jobs.write(CacheJob{true, 0, 0});
    wires_.clock_requests.write(false);
    const bool cache_non_finite = wires_.cache_flags.read();
    uint32_t code = end.code;
    if (code == status_code::ok && (act_.non_finite || cache_non_finite)) code = status_code::non_finite;
    Beat status[status_beats];
    write_status(status, code, end.index, counters_are, cycles_);
    for (uint32_t b = 0; b < status_beats; ++b)
      wires_.store.write(StoreBeat{false, job_.status_offset + b, status[b]});
    wires_.store.write(StoreBeat{true, 0, zero_beat()});
  }

#ifdef __SYNTHESIS__
  static constexpr uint32_t counters_are = counter_source::measured;
#else
  /// C simulation has no clock (clock.hpp).
  static constexpr uint32_t counters_are = counter_source::none;
#endif

  EngineMemory<C>& memory_;
  ActivationsOf<C>& act_;
  Wires<C, Numbers>& wires_;
  Heads<C, Numbers> heads_;
  Results<C, Numbers> rows_;
  Job job_ = {};
  /// First token of the codes that the feed of the arrays holds; block_tokens for none.
  uint32_t codes_sent_from_ = C::block_tokens;
  /// Cycles by operation: how long after the descriptor before each one ended.
  uint64_t cycles_[counter_count] = {};
};

}  // namespace accel::dataflow
