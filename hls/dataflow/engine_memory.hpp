#pragma once

#include "accllm/activations.hpp"
#include "kernels/norm.hpp"
#include "tokens.hpp"

/// \file
/// The vector engine's memories, and how it puts numbers into beats.

namespace accel::dataflow {

/// What the vector engine keeps on chip.
template <class C>
struct EngineMemory {
  ActivationsOf<C> act;
  Beat records[C::block_tokens][record_beats<C>];
  /// A row of the table: an embedding, gains, a bias or key means.
  Beat row[(C::hidden > C::head_elements ? C::hidden : C::head_elements) / beat_words];
  float scratch[C::hidden > C::head_elements ? C::hidden : C::head_elements];
  /// Partial sums of x's squares, made while x is completed; of how many elements, and for which tokens they
  /// stand.
  SquareSums squares[C::block_tokens];
  uint32_t squares_length;
  bool squares_there[C::block_tokens];
  /// Rows of logits on their way to whole beats.
  Beat pending[C::block_tokens];
};

/// float32 values, sixteen a beat.
template <class Stream>
inline void send_floats(Stream& out, const float* values, uint32_t count) {
  for (uint32_t i = 0; i < count; i += beat_words) {
#pragma HLS PIPELINE II = 1
    Beat beat = zero_beat();
    for (uint32_t k = 0; k < beat_words && i + k < count; ++k) set_word(beat, k, bits_of(values[i + k]));
    out.write(beat);
  }
}

/// Integers of Bits bits, as many a beat as it holds.
template <uint32_t Bits, class Stream>
inline void send_codes(Stream& out, const int32_t* codes, uint32_t count) {
  constexpr uint32_t lanes = 8 * beat_bytes / Bits;
  for (uint32_t i = 0; i < count; i += lanes) {
#pragma HLS PIPELINE II = 1
    Beat beat = zero_beat();
    for (uint32_t k = 0; k < lanes && i + k < count; ++k) {
      set_bits(beat, Bits * k, Bits, static_cast<uint32_t>(codes[i + k]) & ((1u << Bits) - 1));
    }
    out.write(beat);
  }
}

}  // namespace accel::dataflow
