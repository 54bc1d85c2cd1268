#pragma once

#include "region.hpp"
#include "tokens.hpp"

namespace accel::dataflow {

/// Gives every beat of the cache to the lanes that share its head. All heads of a wave move together, one
/// beat each a clock: keys block by block, their scales to the scores and their codes to the array; then the
/// scales of all values, on which the weights wait; then the values' codes.
template <class C, class Jobs, class Cached, class Scales, class Codes>
void deal_cache(Jobs& jobs, Cached (&cache)[C::kv_channels], Scales (&key_scales)[C::lanes],
                Scales (&value_scales)[C::lanes], Codes (&codes)[C::lanes]) {
  for (;;) {
    const DealJob job = jobs.read();
    if (job.stop) return;
    const uint32_t beats = job.blocks * job.block_beats;
    uint32_t in_block = 0;
    for (uint32_t beat = 0; beat < 2 * beats; ++beat) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 18 max = 4386
      const bool keys = beat < beats;
      const bool scale = keys ? in_block == 0 : beat < beats + job.blocks;
      in_block = in_block + 1 == job.block_beats ? 0 : in_block + 1;
      // First the channels of this wave, then for every lane one of few: lane modulo a power of two.
      Beat found[C::kv_channels];
#pragma HLS ARRAY_PARTITION variable = found complete
      for (uint32_t head = 0; head < C::kv_channels; ++head) {
#pragma HLS UNROLL
        if (head < job.lanes.heads) found[head] = cache[(job.first_channel + head) % C::kv_channels].read();
      }
      for (uint32_t lane = 0; lane < C::lanes; ++lane) {
#pragma HLS UNROLL
        if (!job.lanes.has(lane)) continue;
        const Beat& beat_of_lane = found[lane & (job.lanes.stride - 1)];
        if (!scale) {
          codes[lane].write(beat_of_lane);
        } else if (keys) {
          key_scales[lane].write(beat_of_lane);
        } else {
          value_scales[lane].write(beat_of_lane);
        }
      }
    }
  }
}

}  // namespace accel::dataflow
