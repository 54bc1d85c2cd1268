#pragma once

#include "region.hpp"
#include "tokens.hpp"

namespace accel::dataflow {

/// Gives every beat of the cache to the lanes that share its head: keys first, then values, whose scales and
/// codes part ways. All heads of a wave move together, one beat each a clock.
template <class C, class Jobs, class Cached, class Keys, class Scales, class Codes>
void deal_cache(Jobs& jobs, Cached (&cache)[C::kv_channels], Keys (&keys)[C::lanes],
                Scales (&scales)[C::lanes], Codes (&codes)[C::lanes]) {
  for (;;) {
    const DealJob job = jobs.read();
    if (job.stop) return;
    for (uint32_t values = 0; values < 2; ++values) {
      for (uint32_t block = 0; block < job.blocks; ++block) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 130
        for (uint32_t b = 0; b < job.block_beats; ++b) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 9 max = 17
          for (uint32_t unit = 0; unit < job.units; ++unit) {
#pragma HLS UNROLL
            const Beat beat = cache[(job.first_channel + unit) % C::kv_channels].read();
            for (uint32_t q = 0; q < job.queries; ++q) {
#pragma HLS UNROLL
              const uint32_t lane = unit * job.queries + q;
              if (values == 0) {
                keys[lane].write(beat);
              } else if (b == 0) {
                scales[lane].write(beat);
              } else {
                codes[lane].write(beat);
              }
            }
          }
        }
      }
    }
  }
}

}  // namespace accel::dataflow
