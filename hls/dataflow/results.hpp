#pragma once

#include "array.hpp"
#include "engine_memory.hpp"
#include "kernels/elementwise.hpp"
#include "kernels/execute.hpp"
#include "kernels/norm.hpp"
#include "wires.hpp"

/// \file
/// Where finished rows go: into the activations, with what the next descriptor does to them as they come, or
/// out as logits; and activations as they are, for tests.

namespace accel::dataflow {

/// Beats of the table into the engine's row buffer: an embedding, gains, means or biases.
template <class C, class Numbers>
const Beat* take_row(EngineMemory<C>& memory, Wires<C, Numbers>& wires, uint32_t beats) {
  for (uint32_t b = 0; b < beats; ++b) {
#pragma HLS PIPELINE II = 1
    memory.row[b] = wires.table.read();
  }
  return memory.row;
}

template <class C, class Numbers>
class Results {
 public:
  Results(EngineMemory<C>& memory, Wires<C, Numbers>& wires)
      : memory_(memory), act_(memory.act), wires_(wires) {}

  /// Finished rows come four by four, for one token or two at once. What the next descriptor does with a row
  /// is done as it comes: addition to x, with the squares that the next norm needs, or SiLU with g.
  void store(const Descriptor& d, const Descriptor* then, const Job& job, uint32_t first) {
    const FloatBuffer out = float_buffer(act_, d.field(field::matmul::destination));
    const uint32_t rows = d.field(field::matmul::rows);
    const uint32_t at_once = tokens_at_once(d.field(field::matmul::format) == weight_format::w2s24);
    const Beat* const bias =
        d.has(flag::biased) ? take_row(memory_, wires_, ceil_div(rows, beat_words)) : nullptr;
    const bool adds = then != nullptr && then->operation() == operation::add;
    const bool gates = then != nullptr && then->operation() == operation::silu_mul;
    for (uint32_t t = first; t < job.tokens; ++t) memory_.squares[t].clear();
    AbsMax largest[C::block_tokens];
    for (uint32_t row = 0; row < rows; row += tile_rows) {
      for (uint32_t turn = first; turn < job.tokens; turn += at_once) {
        const TileResult result = wires_.results.read();
        for (uint32_t i = 0; i < at_once && turn + i < job.tokens; ++i) {
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
    for (uint32_t t = first; t < job.tokens; ++t) {
      memory_.squares_there[t] = adds;
      if (gates)
        act_.a_scale[t] = quantize_activations(act_.g[t], largest[t], rows, act_.a[t], act_.non_finite);
    }
    memory_.squares_length = rows;
  }

  void store_logits(const Descriptor& d, const Job& job, uint32_t first) {
    const uint32_t rows = d.field(field::logits::rows);
    const uint32_t at_once = tokens_at_once(d.field(field::logits::format) == weight_format::w2s24);
    for (uint32_t row = 0; row < rows; row += tile_rows) {
      const uint32_t place = row % beat_words;
      for (uint32_t turn = first; turn < job.tokens; turn += at_once) {
        const TileResult result = wires_.results.read();
        for (uint32_t i = 0; i < at_once && turn + i < job.tokens; ++i) {
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

 private:
  void send(uint32_t address, const Beat& beat) { wires_.store.write(StoreBeat{false, address, beat}); }

  EngineMemory<C>& memory_;
  ActivationsOf<C>& act_;
  Wires<C, Numbers>& wires_;
};

}  // namespace accel::dataflow
