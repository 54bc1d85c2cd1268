#pragma once

#include "accllm/number.hpp"
#include "region.hpp"
#include "slots.hpp"
#include "tokens.hpp"

/// \file
/// The key-centering term from a table of distances on chip (docs/numerics.md, "attend" 2): every distance is
/// read once and meets the queries of all lanes.

namespace accel::dataflow {

/// Distances fit the table: sinks + window is at most the span, which ring and slots allow to pass by one.
template <class C>
constexpr uint32_t distance_rows = C::span + 1;
template <class C>
constexpr uint32_t distance_row_beats = ceil_div(C::head_dim, 32);

/// `ends`: told after every job, so that the clock can stop.
template <class C, class Jobs, class Rows, class Codes, class Factors, class Means, class Ends>
void add_means(Jobs& jobs, Rows& rows, Codes& codes, Factors& factors, Means (&means)[C::lanes], Ends& ends) {
  Beat table[distance_rows<C>][distance_row_beats<C>];
#pragma HLS BIND_STORAGE variable = table type = ram_2p impl = uram
#pragma HLS ARRAY_PARTITION variable = table complete dim = 2
  for (;;) {
    const CenteringJob job = jobs.read();
    if (job.kind == CenteringJob::stop) return;
    if (job.kind == CenteringJob::load) {
      for (uint32_t r = 0; r < job.rows; ++r) {
        for (uint32_t b = 0; b < job.row_beats; ++b) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 2 max = 8
          table[r][b] = rows.read();
        }
      }
      ends.write(true);
      continue;
    }
    int16_t query[C::lanes][C::head_dim];
    float factor[C::lanes];
#pragma HLS ARRAY_PARTITION variable = query complete dim = 0
    const uint32_t head_dim = job.cache.head_dim;
    for (uint32_t lane = 0; lane < job.lanes.lanes; ++lane) {
      if (!job.lanes.has(lane)) continue;
      factor[lane] = factors.read();
      for (uint32_t b = 0; b < ceil_div(head_dim, 32); ++b) {
        const Beat beat = codes.read();
        for (uint32_t i = 0; i < 32 && 32 * b + i < head_dim; ++i) {
          query[lane][32 * b + i] = static_cast<int16_t>(get_bits(beat, 16 * i, 16));
        }
      }
    }
    const SlotWalk walk(job.cache, job.position);
    for (uint32_t slot = 0; slot < walk.slots(); ++slot) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 8192
      if (!walk.attended(slot)) continue;
      const uint32_t distance = (walk.sink(slot) ? job.sink_position : job.position) - walk.position(slot);
      // A record that lies about the sinks' query position must not read outside of the table.
      const Beat* row = table[distance < distance_rows<C> ? distance : 0];
      for (uint32_t lane = 0; lane < job.lanes.lanes; ++lane) {
#pragma HLS PIPELINE II = 1
#pragma HLS UNROLL factor = C::centering_heads
        if (!job.lanes.has(lane)) continue;
        int64_t sum = 0;
        for (uint32_t i = 0; i < C::head_dim && i < head_dim; ++i) {
#pragma HLS UNROLL
          const auto entry = static_cast<int16_t>(get_bits(row[i / 32], (i % 32) * 16, 16));
          sum += int32_t{query[lane][i]} * entry;
        }
        means[lane].write(static_cast<float>(sum) * factor[lane]);
      }
    }
    ends.write(true);
  }
}

}  // namespace accel::dataflow
