#pragma once

#include "array.hpp"
#include "attention.hpp"
#include "cache_quantizer.hpp"
#include "centering.hpp"
#include "channel.hpp"
#include "clock.hpp"
#include "deal.hpp"
#include "engine.hpp"
#include "gate.hpp"
#include "rows.hpp"
#include "sequencer.hpp"

/// \file
/// The accelerator: every task and the streams between them, for one job.

namespace accel::dataflow {

/// Memory behind the ports; the cache is read and written by its channel alone.
struct Memories {
  const Beat* const* weights;
  Beat* const* cache;
  const Beat* table;
  Beat* io;
};

/// Executes the job at beat `job` of io. Status and outputs are in io when it returns.
///
/// C: configuration (generated/config.hpp). Numbers: number types of the integer datapath.
template <class C, class Numbers>
void run_job(const Memories& memory, uint32_t job, EngineMemory<C>& chip, Wires<C, Numbers>& w) {
#pragma HLS DATAFLOW
  Region region;
  region.add("sequencer", 0, [&, job] { Sequencer<C, Numbers>(memory.io, job, w).run(); });
  region.add("engine", 0, [&] { Engine<C, Numbers>(chip, w).run(); });
  region.add("clock", 0, [&] { run_clock(w.clock_requests, w.clock_times); });
  region.add("lane gate", 0, [&] { run_gate(w.lane_clock, w.lane_gate); });
  region.add("mean gate", 0, [&] { run_gate_for_work(w.mean_clock, w.mean_ends, w.mean_gate); });
  region.add("table", 0, [&] { serve_table(memory.table, w.table_commands, w.table, w.distances); });
  region.add("store", 0, [&] { serve_store(memory.io, w.store); });
  for (uint32_t c = 0; c < memory_channels<C>; ++c) {
#pragma HLS UNROLL
    const bool has_weights = c < C::weight_channels;
    const bool has_cache = c >= C::first_kv_channel && c - C::first_kv_channel < C::kv_channels;
    const uint32_t k = has_cache ? c - C::first_kv_channel : 0;
    region.add("channel", c, [&, c, k, has_weights, has_cache] {
      serve_channel(has_weights ? memory.weights[c] : nullptr, has_cache ? memory.cache[k] : nullptr,
                    w.channel_commands[c], has_weights ? &w.weights[c] : nullptr,
                    has_cache ? &w.cache[k] : nullptr, has_cache ? &w.cache_vectors[k] : nullptr);
    });
  }
  region.add("feed", 0, [&] { feed_activations<C>(w.feed_jobs, w.codes, w.chain[0]); });
  for (uint32_t a = 0; a < arrays<C>; ++a) {
#pragma HLS UNROLL
    region.add("array", a, [&, a] {
      auto* const next = a + 1 < arrays<C> ? &w.chain[a + 1] : nullptr;
      auto* const weights = a < C::weight_channels ? &w.weights[a] : nullptr;
      auto* const sums = a < C::weight_channels ? &w.tile_sums[a] : nullptr;
      // Second banks are made of LUTs, and of as many DSPs as are left.
      if (a < C::dsp_second_banks) {
        run_array<C, Numbers, DspMultiplier>(a, w.chain[a], next, weights, sums, w.lane(a));
      } else {
        run_array<C, Numbers, LutMultiplier>(a, w.chain[a], next, weights, sums, w.lane(a));
      }
    });
  }
  region.add("rows", 0, [&] { finish_rows<C>(w.row_jobs, w.tile_sums, w.results); });
  region.add("centering", 0, [&] {
    add_means<C>(w.centering_jobs, w.distances, w.centering_codes, w.centering_factors, w.means, w.mean_ends);
  });
  region.add("cache quantizer", 0,
             [&] { quantize_cache<C>(w.cache_jobs, w.cache_floats, w.cache_vectors, w.cache_flags); });
  region.add("deal", 0,
             [&] { deal_cache<C>(w.deal_jobs, w.cache, w.key_scales, w.value_scales, w.cache_codes); });
  for (uint32_t k = 0; k < C::lanes; ++k) {
#pragma HLS UNROLL
    region.add("score", k, [&, k] {
      score_keys<C>(w.score_jobs[k], w.query_scalars[k], w.key_scales[k], w.dots[k], w.means[k],
                    w.weigh_jobs[k], w.scores[k], w.largest[k]);
    });
    region.add("weigh", k, [&, k] {
      weigh_keys<C>(w.weigh_jobs[k], w.scores[k], w.largest[k], w.value_scales[k], w.finish_jobs[k],
                    w.value_weights[k], w.heads[k]);
    });
    region.add("finish", k, [&, k] {
      finish_heads<C, Numbers>(w.finish_jobs[k], w.heads[k], w.block_sums[k], w.outputs[k]);
    });
  }
  region.run();
}

}  // namespace accel::dataflow
