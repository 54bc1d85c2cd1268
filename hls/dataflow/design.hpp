#pragma once

#include "array.hpp"
#include "attention.hpp"
#include "cache_quantizer.hpp"
#include "centering.hpp"
#include "channel.hpp"
#include "deal.hpp"
#include "engine.hpp"
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
/// C: configuration (generated/config.hpp). Numbers: number types of the integer datapath. Multipliers: what
/// the products of the matrices and those of the cache are made of (multiplier.hpp).
template <class C, class Numbers, class MatrixMultiplier, class CacheMultiplier>
void run_job(const Memories& memory, uint32_t job, EngineMemory<C>& chip, Wires<C, Numbers>& w) {
#pragma HLS DATAFLOW
  Region region;
  region.add("sequencer", 0, [&, job] { Sequencer<C, Numbers>(memory.io, job, w).run(); });
  region.add("engine", 0, [&] { Engine<C, Numbers>(chip, w).run(); });
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
  for (uint32_t c = 0; c < C::weight_channels; ++c) {
#pragma HLS UNROLL
    region.add("array", c, [&, c] {
      run_array<C, Numbers, MatrixMultiplier>(
          w.chain[c], c + 1 < C::weight_channels ? &w.chain[c + 1] : nullptr, w.weights[c], w.tile_sums[c]);
    });
  }
  region.add("rows", 0, [&] { finish_rows<C>(w.row_jobs, w.tile_sums, w.results); });
  region.add("centering", 0, [&] {
    add_means<C>(w.centering_jobs, w.distances, w.centering_codes, w.centering_factors, w.means);
  });
  region.add("cache quantizer", 0,
             [&] { quantize_cache<C>(w.cache_jobs, w.cache_floats, w.cache_vectors, w.cache_flags); });
  region.add("deal", 0, [&] { deal_cache<C>(w.deal_jobs, w.cache, w.keys, w.value_scales, w.value_codes); });
  for (uint32_t k = 0; k < C::lanes; ++k) {
#pragma HLS UNROLL
    region.add("score", k, [&, k] {
      score_keys<C, Numbers, CacheMultiplier>(w.attention_jobs[k], w.queries[k], w.query_scalars[k],
                                              w.keys[k], w.means[k], w.weigh_jobs[k], w.scores[k],
                                              w.largest[k]);
    });
    region.add("weigh", k, [&, k] {
      weigh_keys<C>(w.weigh_jobs[k], w.scores[k], w.largest[k], w.value_scales[k], w.value_jobs[k],
                    w.slot_weights[k], w.heads[k]);
    });
    region.add("values", k, [&, k] {
      add_values<C, Numbers, CacheMultiplier>(w.value_jobs[k], w.slot_weights[k], w.value_codes[k],
                                              w.finish_jobs[k], w.sums[k]);
    });
    region.add("finish", k, [&, k] { finish_heads(w.finish_jobs[k], w.heads[k], w.sums[k], w.outputs[k]); });
  }
  region.run();
}

}  // namespace accel::dataflow
