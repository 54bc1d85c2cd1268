#pragma once

#include "array.hpp"
#include "heads.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/execute.hpp"
#include "kernels/norm.hpp"

/// \file
/// The vector engine: owns the activations of the block, does all float work, and gives matrices, vectors for
/// the cache and queries to the other engines. The functions it calls are those of hls/kernels.

namespace accel::dataflow {

template <class C, class Numbers>
class Engine {
 public:
  Engine(EngineMemory<C>& memory, Wires<C, Numbers>& wires)
      : memory_(memory), act_(memory.act), wires_(wires), heads_(memory, wires) {}

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
    uint64_t before = now();
    EngineCommand command = wires_.engine_commands.read();
    while (command.kind != EngineCommand::end) {
      const Descriptor& d = command.descriptor;
      if (command.kind == EngineCommand::prepare) {
        heads_.prepare(d, job_);
      } else {
        execute(d, command.kind == EngineCommand::execute_both ? &command.then : nullptr);
      }
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

  void execute(const Descriptor& d, const Descriptor* then) {
    const uint32_t first = first_token(d, job_);
    if (first >= job_.tokens) return;
    switch (d.operation()) {
      case operation::embed:
        for (uint32_t t = first; t < job_.tokens; ++t) {
          take_row(ceil_div(d.field(field::embed::hidden), 32));
          embed(memory_.row, d.field(field::embed::hidden), act_.x[t]);
          memory_.squares_there[t] = false;
        }
        break;
      case operation::norm:
        take_row(ceil_div(d.field(field::norm::length), beat_words));
        for (uint32_t t = first; t < job_.tokens; ++t) norm(d, t);
        break;
      case operation::matmul:
        multiply(d, first);
        store_rows(d, then, first);
        break;
      case operation::logits:
        multiply(d, first);
        store_logits(d, first);
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
        for (uint32_t t = first; t < job_.tokens; ++t) dump(d, t);
        break;
    }
    if (makes_codes(d) || (then != nullptr && makes_codes(*then))) codes_sent_from_ = C::block_tokens;
  }

  const Beat* take_row(uint32_t beats) {
    for (uint32_t b = 0; b < beats; ++b) {
#pragma HLS PIPELINE II = 1
      memory_.row[b] = wires_.table.read();
    }
    return memory_.row;
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

  /// Finished rows come four by four, for one token or two at once. What the next descriptor does with a row
  /// is done as it comes: addition to x, with the squares that the next norm needs, or SiLU with g.
  void store_rows(const Descriptor& d, const Descriptor* then, uint32_t first) {
    const FloatBuffer out = float_buffer(act_, d.field(field::matmul::destination));
    const uint32_t rows = d.field(field::matmul::rows);
    const uint32_t at_once = tokens_at_once(d.field(field::matmul::format) == weight_format::w2s24);
    const Beat* const bias = d.has(flag::biased) ? take_row(ceil_div(rows, beat_words)) : nullptr;
    const bool adds = then != nullptr && then->operation() == operation::add;
    const bool gates = then != nullptr && then->operation() == operation::silu_mul;
    for (uint32_t t = first; t < job_.tokens; ++t) memory_.squares[t].clear();
    AbsMax largest[C::block_tokens];
    for (uint32_t row = 0; row < rows; row += tile_rows) {
      for (uint32_t turn = first; turn < job_.tokens; turn += at_once) {
        const TileResult result = wires_.results.read();
        for (uint32_t i = 0; i < at_once && turn + i < job_.tokens; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_FLATTEN
          const uint32_t t = turn + i;
          for (uint32_t r = 0; r < tile_rows && row + r < rows; ++r) {
#pragma HLS UNROLL
            const uint32_t at = row + r;
            const float value = biased(result.value[r][i], bias, at);
            if (adds) {
              const float sum = act_.x[t][at] + value;
              act_.x[t][at] = sum;
              add_square(memory_.squares[t], at, sum);
            }
            if (gates) {
              const float gated = silu_mul_element(act_.g[t][at], value);
              act_.g[t][at] = gated;
              largest[t].take(gated);
            }
            out.data[t * out.stride + at] = value;
          }
        }
      }
    }
    for (uint32_t t = first; t < job_.tokens; ++t) {
      memory_.squares_there[t] = adds;
      if (gates)
        act_.a_scale[t] = quantize_activations(act_.g[t], largest[t], rows, act_.a[t], act_.non_finite);
    }
    memory_.squares_length = rows;
  }

  void store_logits(const Descriptor& d, uint32_t first) {
    const uint32_t rows = d.field(field::logits::rows);
    const uint32_t at_once = tokens_at_once(d.field(field::logits::format) == weight_format::w2s24);
    for (uint32_t row = 0; row < rows; row += tile_rows) {
      const uint32_t place = row % beat_words;
      for (uint32_t turn = first; turn < job_.tokens; turn += at_once) {
        const TileResult result = wires_.results.read();
        for (uint32_t i = 0; i < at_once && turn + i < job_.tokens; ++i) {
#pragma HLS PIPELINE II = 1
          const uint32_t t = turn + i;
          Beat& beat = memory_.pending[t];
          if (place == 0) beat = zero_beat();
          for (uint32_t r = 0; r < tile_rows && row + r < rows; ++r) {
            set_word(beat, place + r, bits_of(result.value[r][i]));
          }
          if (place + tile_rows == beat_words || row + tile_rows >= rows) {
            send(d.field(field::logits::io_offset) + t * d.field(field::logits::row_beats) + row / beat_words,
                 beat);
          }
        }
      }
    }
  }

  void send(uint32_t address, const Beat& beat) { wires_.store.write(StoreBeat{false, address, beat}); }

  void dump(const Descriptor& d, uint32_t t) {
    const uint32_t length = d.field(field::dump::length);
    const uint32_t name = d.field(field::dump::buffer);
    const bool codes = name == buffer::a;
    const FloatBuffer source = float_buffer(act_, name);
    const uint32_t row = d.field(field::dump::io_offset) + t * d.field(field::dump::row_beats);
    const uint32_t words = length + (codes ? 1 : 0);
    Beat beat = zero_beat();
    for (uint32_t i = 0; i < words; ++i) {
      float value;
      if (codes) {
        value = i == 0 ? act_.a_scale[t] : static_cast<float>(act_.a[t][i - 1]);
      } else {
        value = source.data[t * source.stride + i];
      }
      if (i % beat_words == 0) beat = zero_beat();
      set_word(beat, i % beat_words, bits_of(value));
      if (i % beat_words == beat_words - 1 || i + 1 == words) send(row + i / beat_words, beat);
    }
  }

  /// Ends every engine behind this one, then writes the status.
  void stop(const EngineCommand& end) {
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
    for (uint32_t b = 0; b < status_beats; ++b) send(job_.status_offset + b, status[b]);
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
  Job job_ = {};
  /// First token of the codes that the feed of the arrays holds; block_tokens for none.
  uint32_t codes_sent_from_ = C::block_tokens;
  /// Cycles by operation: how long after the descriptor before each one ended.
  uint64_t cycles_[counter_count] = {};
};

}  // namespace accel::dataflow
