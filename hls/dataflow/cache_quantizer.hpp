#pragma once

#include "kernels/kv_cache.hpp"
#include "region.hpp"
#include "tokens.hpp"

namespace accel::dataflow {

/// Rotated keys and values to four bits, on their way to their channel, a vector of 128 elements in eight
/// clocks. At the end says whether any was non-finite.
template <class C, class Jobs, class Floats, class Vectors, class Flags>
void quantize_cache(Jobs& jobs, Floats& floats, Vectors (&vectors)[C::kv_channels], Flags& flags) {
  static_assert(C::head_dim <= codes_per_beat, "a vector's codes fit a beat");
  bool non_finite = false;
  for (;;) {
    const CacheJob job = jobs.read();
    if (job.stop) break;
#pragma HLS PIPELINE II = 8
    float w[C::head_dim];
    for (uint32_t i = 0; i < C::head_dim && i < job.elements; i += beat_words) {
      const Beat beat = floats.read();
      for (uint32_t k = 0; k < beat_words; ++k) {
#pragma HLS UNROLL
        w[i + k] = float_of(get_word(beat, k));
      }
    }
    PackedVectorOf<C::head_dim> packed;
    quantize_cached<C::head_dim>(w, job.elements, packed, non_finite);
    Beat head = zero_beat();
    set_word(head, 0, packed.pair);
    vectors[job.channel].write(head);
    Beat codes = zero_beat();
    for (uint32_t d = 0; d < C::head_dim && d < job.elements; ++d) {
#pragma HLS UNROLL
      set_bits(codes, 4 * d, 4, packed.codes[d]);
    }
    vectors[job.channel].write(codes);
  }
  flags.write(non_finite);
}

}  // namespace accel::dataflow
