#pragma once

#include "engine_memory.hpp"
#include "kernels/attention.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/execute.hpp"
#include "kernels/norm.hpp"
#include "plan.hpp"
#include "wires.hpp"

/// \file
/// The vector engine: owns the activations of the block, does all float work, and gives matrices, vectors for
/// the cache and queries to the other engines. The functions it calls are those of hls/kernels.

namespace accel::dataflow {

template <class C, class Numbers>
class Engine {
 public:
  Engine(EngineMemory<C>& memory, Wires<C, Numbers>& wires)
      : memory_(memory), act_(memory.act), wires_(wires) {}

  void run() {
    act_.non_finite = false;
    job_ = wires_.job.read();
    for (uint32_t t = 0; t < job_.tokens; ++t) {
      for (uint32_t b = 0; b < job_.input_stride && b < record_beats<C>; ++b) {
#pragma HLS PIPELINE II = 1
        memory_.records[t][b] = wires_.records.read();
      }
    }
    EngineCommand command = wires_.engine_commands.read();
    while (!command.end) {
      execute(command.descriptor);
      command = wires_.engine_commands.read();
    }
    stop(command);
  }

 private:
  uint32_t token_word(uint32_t token, uint32_t field) const {
    return get_word(memory_.records[token][0], field);
  }

  void execute(const Descriptor& d) {
    const uint32_t first = first_token(d, job_);
    if (first >= job_.tokens) return;
    switch (d.operation()) {
      case operation::embed:
        for (uint32_t t = first; t < job_.tokens; ++t) {
          take_row(ceil_div(d.field(field::embed::hidden), 32));
          embed(memory_.row, d.field(field::embed::hidden), act_.x[t]);
        }
        break;
      case operation::norm:
        take_row(ceil_div(d.field(field::norm::length), beat_words));
        for (uint32_t t = first; t < job_.tokens; ++t) {
          norm(act_.x[t], memory_.row, d.field(field::norm::length), d.float_field(field::norm::epsilon_bits),
               memory_.scratch, act_.a[t], act_.a_scale[t], act_.non_finite);
        }
        break;
      case operation::matmul:
        multiply(d, first);
        store_rows(d, first);
        break;
      case operation::logits:
        multiply(d, first);
        store_logits(d, first);
        break;
      case operation::rope_kv:
        write_cache(d, first);
        break;
      case operation::attend:
        attend(d, first);
        break;
      case operation::silu_mul:
        for (uint32_t t = first; t < job_.tokens; ++t) silu_mul(act_, t, d.field(field::silu_mul::length));
        break;
      case operation::add:
        for (uint32_t t = first; t < job_.tokens; ++t) add(act_, t, d.field(field::add::length));
        break;
      default:
        for (uint32_t t = first; t < job_.tokens; ++t) dump(d, t);
        break;
    }
  }

  const Beat* take_row(uint32_t beats) {
    for (uint32_t b = 0; b < beats; ++b) {
#pragma HLS PIPELINE II = 1
      memory_.row[b] = wires_.table.read();
    }
    return memory_.row;
  }

  /// Starts a matrix: job and codes to the arrays, scales to the end of the rows.
  void multiply(const Descriptor& d, uint32_t first) {
    const MatrixShape m = matrix_shape(d, C::weight_channels);
    MatrixJob<C> job = {false, m.tiles, m.groups, m.format, job_.tokens - first, m.rows, {}};
    for (uint32_t t = first; t < job_.tokens; ++t) job.scale[t - first] = act_.a_scale[t];
    wires_.row_jobs.write(job);
    wires_.feed_jobs.write(job);
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

  /// Finished rows come four by four, for every token in turn.
  void store_rows(const Descriptor& d, uint32_t first) {
    const FloatBuffer out = float_buffer(act_, d.field(field::matmul::destination));
    const uint32_t rows = d.field(field::matmul::rows);
    const Beat* bias = d.has(flag::biased) ? take_row(ceil_div(rows, beat_words)) : nullptr;
    for (uint32_t row = 0; row < rows; row += tile_rows) {
      for (uint32_t t = first; t < job_.tokens; ++t) {
#pragma HLS PIPELINE II = 1
        const TileResult result = wires_.results.read();
        for (uint32_t r = 0; r < tile_rows && row + r < rows; ++r) {
          out.data[t * out.stride + row + r] = biased(result.value[r], bias, row + r);
        }
      }
    }
  }

  void store_logits(const Descriptor& d, uint32_t first) {
    const uint32_t rows = d.field(field::logits::rows);
    for (uint32_t row = 0; row < rows; row += tile_rows) {
      const uint32_t place = row % beat_words;
      for (uint32_t t = first; t < job_.tokens; ++t) {
#pragma HLS PIPELINE II = 1
        const TileResult result = wires_.results.read();
        Beat& beat = memory_.pending[t];
        if (place == 0) beat = zero_beat();
        for (uint32_t r = 0; r < tile_rows && row + r < rows; ++r)
          set_word(beat, place + r, bits_of(result.value[r]));
        if (place + tile_rows == beat_words || row + tile_rows >= rows) {
          send(d.field(field::logits::io_offset) + t * d.field(field::logits::row_beats) + row / beat_words,
               beat);
        }
      }
    }
  }

  void send(uint32_t address, const Beat& beat) { wires_.store.write(StoreBeat{false, address, beat}); }

  void write_cache(const Descriptor& d, uint32_t first) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    const bool rotate = d.has(flag::hadamard);
    const uint32_t beats = ceil_div(c.kv_heads * c.head_dim, beat_words);
    const Beat* mean = d.has(flag::centered) ? take_row(beats) : nullptr;
    for (uint32_t t = first; t < job_.tokens; ++t) {
      for (uint32_t head = 0; head < c.kv_heads; ++head) {
        float v[limit::head_dim];
        center_key(act_.k[t] + head * c.head_dim, mean, head * c.head_dim, c.head_dim, v);
        rope(v, c.head_dim, memory_.records[t] + 1, 0);
        if (rotate) hadamard(v, c.head_dim);
        send_vector(head, v, c.head_dim);
        for (uint32_t i = 0; i < c.head_dim; ++i) v[i] = act_.v[t][head * c.head_dim + i];
        if (rotate) hadamard(v, c.head_dim);
        send_vector(head, v, c.head_dim);
      }
    }
  }

  void send_vector(uint32_t head, const float* v, uint32_t elements) {
    wires_.cache_jobs.write(CacheJob{false, head % C::kv_channels, elements});
    send_floats(wires_.cache_floats, v, elements);
  }

  void attend(const Descriptor& d, uint32_t first) {
    const CacheShape c = cache_shape(d, C::kv_channels);
    const uint32_t heads = d.field(field::attend::heads);
    const Waves<C> waves(c, heads);
    if (d.has(flag::centered)) take_row(ceil_div(c.kv_heads * c.head_dim, beat_words));
    if (distances_.load(d)) {
      CenteringJob load = {};
      load.kind = CenteringJob::load;
      load.row_beats = d.field(field::attend::distance_beats);
      load.rows = distance_count(d, token_word(job_.tokens - 1, token_field::position));
      wires_.centering_jobs.write(load);
    }
    for (uint32_t t = first; t < job_.tokens; ++t) {
      // The queries of a wave are made while the wave before is at work.
      send_wave(d, c, waves, 0, t);
      for (uint32_t wave = 0; wave < waves.count; ++wave) {
        if (wave + 1 < waves.count) send_wave(d, c, waves, wave + 1, t);
        take_wave(d, c, waves, wave);
      }
      act_.a_scale[t] = quantize_activations(memory_.scratch, heads * c.head_dim, act_.a[t], act_.non_finite);
    }
  }

  void send_wave(const Descriptor& d, const CacheShape& c, const Waves<C>& waves, uint32_t wave, uint32_t t) {
    const bool centered = d.has(flag::centered);
    const uint32_t position = token_word(t, token_field::position);
    const uint32_t sink_position = token_word(t, token_field::sink_position);
    const uint32_t lanes = waves.lanes(wave);
    if (centered) {
      wires_.centering_jobs.write(CenteringJob{CenteringJob::wave, 0, 0, position, sink_position, lanes, c});
    }
    for (uint32_t lane = 0; lane < lanes; ++lane) {
      wires_.attention_jobs[lane].write(AttentionJob{false, centered, position, sink_position,
                                                     d.float_field(field::attend::score_scale_bits), c});
      send_query(d, c, waves.head(wave, lane), waves.kv_head(wave, lane), lane, t);
    }
  }

  void send_query(const Descriptor& d, const CacheShape& c, uint32_t head, uint32_t kv_head, uint32_t lane,
                  uint32_t t) {
    const bool rotate = d.has(flag::hadamard);
    const float* query = act_.q[t] + head * c.head_dim;
    const Beat* angles = memory_.records[t] + 1;
    const QuantizedQuery window = quantize_query(query, c.head_dim, angles, 0, rotate, act_.non_finite);
    const QuantizedQuery sink =
        quantize_query(query, c.head_dim, angles, c.head_dim, rotate, act_.non_finite);
    wires_.query_scalars[lane].write(QueryScalars{window.sum, sink.sum, window.scale, sink.scale});
    send_codes<8>(wires_.queries[lane], window.codes, c.head_dim);
    send_codes<8>(wires_.queries[lane], sink.codes, c.head_dim);
    if (!d.has(flag::centered)) return;
    const MeanTerm mean = mean_term(query, memory_.row, kv_head * c.head_dim, c.head_dim,
                                    d.float_field(field::attend::mean_scale_bits), act_.non_finite);
    wires_.centering_factors.write(mean.factor);
    send_codes<16>(wires_.centering_codes, mean.codes, c.head_dim);
  }

  void take_wave(const Descriptor& d, const CacheShape& c, const Waves<C>& waves, uint32_t wave) {
    for (uint32_t lane = 0; lane < waves.lanes(wave); ++lane) {
      float* output = memory_.scratch + waves.head(wave, lane) * c.head_dim;
      for (uint32_t i = 0; i < c.head_dim; i += beat_words) {
#pragma HLS PIPELINE II = 1
        const Beat beat = wires_.outputs[lane].read();
        for (uint32_t k = 0; k < beat_words && i + k < c.head_dim; ++k) {
          output[i + k] = float_of(get_word(beat, k));
        }
      }
      if (d.has(flag::hadamard)) rotate_output(output, c.head_dim);
    }
  }

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
    wires_.feed_jobs.write(matrix);
    wires_.row_jobs.write(matrix);
    CenteringJob centering = {};
    centering.kind = CenteringJob::stop;
    wires_.centering_jobs.write(centering);
    for (uint32_t lane = 0; lane < C::lanes; ++lane) {
      AttentionJob attention = {};
      attention.stop = true;
      wires_.attention_jobs[lane].write(attention);
    }
    wires_.cache_jobs.write(CacheJob{true, 0, 0});
    const bool cache_non_finite = wires_.cache_flags.read();
    uint32_t code = end.code;
    if (code == status_code::ok && (act_.non_finite || cache_non_finite)) code = status_code::non_finite;
    Beat status[status_beats];
    const uint64_t cycles[counter_count] = {};
    write_status(status, code, end.index, counter_source::none, cycles);
    for (uint32_t b = 0; b < status_beats; ++b) send(job_.status_offset + b, status[b]);
    wires_.store.write(StoreBeat{true, 0, zero_beat()});
  }

  EngineMemory<C>& memory_;
  ActivationsOf<C>& act_;
  Wires<C, Numbers>& wires_;
  Job job_ = {};
  DistanceTable distances_;
};

}  // namespace accel::dataflow
