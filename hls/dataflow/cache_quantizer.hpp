#pragma once

#include "kernels/kv_cache.hpp"
#include "region.hpp"
#include "tokens.hpp"

namespace accel::dataflow {

/// Rotated keys and values to four bits, on their way to their channel. At the end says whether any was
/// non-finite.
template <class C, class Jobs, class Floats, class Vectors, class Flags>
void quantize_cache(Jobs& jobs, Floats& floats, Vectors (&vectors)[C::kv_channels], Flags& flags) {
  bool non_finite = false;
  for (;;) {
    const CacheJob job = jobs.read();
    if (job.stop) break;
    float w[limit::head_dim];
    for (uint32_t i = 0; i < job.elements; i += beat_words) {
#pragma HLS PIPELINE II = 1
      const Beat beat = floats.read();
      for (uint32_t k = 0; k < beat_words && i + k < job.elements; ++k)
        w[i + k] = float_of(get_word(beat, k));
    }
    PackedVector packed;
    quantize_cached(w, job.elements, packed, non_finite);
    Beat head = zero_beat();
    set_word(head, 0, packed.pair);
    vectors[job.channel].write(head);
    Beat codes = zero_beat();
    for (uint32_t d = 0; d < job.elements; ++d) {
#pragma HLS PIPELINE II = 1
      set_bits(codes, 4 * (d % codes_per_beat), 4, packed.codes[d]);
      if (d % codes_per_beat == codes_per_beat - 1 || d + 1 == job.elements)
        vectors[job.channel].write(codes);
    }
  }
  flags.write(non_finite);
}

}  // namespace accel::dataflow
