#pragma once

#include "gate.hpp"
#include "region.hpp"
#include "tokens.hpp"

namespace accel::dataflow {

/// Every stream of the design, with its depth.
template <class C, class Numbers>
struct Wires {
  using D = Depth<C>;

  // Sequencer to channels, table and vector engine.
  hls::stream<ChannelCommand, C::command_fifo> channel_commands[memory_channels<C>];
  hls::stream<TableCommand, C::command_fifo> table_commands;
  hls::stream<EngineCommand, C::command_fifo> engine_commands;
  hls::stream<Job, 2> job;
  hls::stream<Beat, C::block_tokens> records;

  // Memory to engines.
  hls::stream<Beat, C::weight_fifo> weights[C::weight_channels];
  hls::stream<Beat, C::key_fifo> cache[C::kv_channels];
  hls::stream<Beat, D::table> table;
  hls::stream<Beat, D::table> distances;

  // Matrices.
  hls::stream<ArrayJob, 4> feed_jobs;
  hls::stream<MatrixJob<C>, 2> row_jobs;
  hls::stream<Beat, D::codes> codes;
  hls::stream<ChainBeat, C::chain_fifo> chain[arrays<C>];
  hls::stream<TileSums<Numbers>, D::tile_sums> tile_sums[C::weight_channels];
  hls::stream<TileResult, D::results> results;

  // Attention.
  hls::stream<DealJob, C::command_fifo> deal_jobs;
  hls::stream<Beat, D::scales> key_scales[C::lanes];
  hls::stream<Beat, D::scales> value_scales[C::lanes];
  hls::stream<Beat, C::key_fifo> cache_codes[C::lanes];
  hls::stream<Beat, D::queries> queries[C::lanes];
  hls::stream<QueryScalars, 2> query_scalars[C::lanes];
  hls::stream<CenteringJob, 2> centering_jobs;
  hls::stream<Beat, D::codes> centering_codes;
  hls::stream<float, C::lanes> centering_factors;
  hls::stream<float, D::means> means[C::lanes];
  hls::stream<AttentionJob, D::head> score_jobs[C::lanes];
  hls::stream<KeyDots, D::dots> dots[C::lanes];
  hls::stream<AttentionJob, D::head> weigh_jobs[C::lanes];
  hls::stream<float, D::scores> scores[C::lanes];
  hls::stream<float, 2> largest[C::lanes];
  hls::stream<WeightPair, D::weights> value_weights[C::lanes];
  hls::stream<AttentionJob, D::head> finish_jobs[C::lanes];
  hls::stream<HeadSum, 2> heads[C::lanes];
  hls::stream<BlockSums, D::block_sums> block_sums[C::lanes];
  hls::stream<Beat, D::outputs> outputs[C::lanes];

  // The cache's way in, and io's way out.
  hls::stream<CacheJob, 2> cache_jobs;
  hls::stream<Beat, D::codes> cache_floats;
  hls::stream<Beat, D::cache_writes> cache_vectors[C::kv_channels];
  hls::stream<bool, 1> cache_flags;
  hls::stream<StoreBeat, D::store> store;

  // What the vector engine says of the clocks of attention and of the key means.
  hls::stream<Clock, 2> lane_clock;
  hls::stream<Clock, 2> mean_clock;
  hls::stream<bool, 1> mean_ends;
  Gate lane_gate;
  Gate mean_gate;

  // Samples of the clock.
  hls::stream<bool, 1> clock_requests;
  hls::stream<uint64_t, 1> clock_times;

  /// The ends of a lane's streams between its array and the stages of attention.hpp.
  struct Lane {
    hls::stream<AttentionJob, D::head>* jobs;
    hls::stream<Beat, D::queries>* queries;
    hls::stream<Beat, C::key_fifo>* codes;
    hls::stream<WeightPair, D::weights>* weights;
    hls::stream<KeyDots, D::dots>* dots;
    hls::stream<BlockSums, D::block_sums>* sums;
  };
  /// Null pointers for an array that has no lane.
  Lane lane(uint32_t array) {
#pragma HLS INLINE
    if (array >= C::lanes) return Lane{};
    return Lane{&score_jobs[array],    &queries[array], &cache_codes[array],
                &value_weights[array], &dots[array],    &block_sums[array]};
  }

  Wires() {
    name_streams(channel_commands, "channel commands");
    name_streams(weights, "weights");
    name_streams(cache, "cache");
    name_streams(key_scales, "key scales");
    name_streams(value_scales, "value scales");
    name_streams(cache_codes, "cache codes");
    name_streams(score_jobs, "score jobs");
    name_streams(dots, "dots");
    name_streams(block_sums, "block sums");
    name_streams(chain, "chain");
    name_streams(tile_sums, "tile sums");
    name_streams(queries, "queries");
    name_streams(query_scalars, "query scalars");
    name_streams(means, "means");
    name_streams(weigh_jobs, "weigh jobs");
    name_streams(scores, "scores");
    name_streams(largest, "largest");
    name_streams(value_weights, "value weights");
    name_streams(heads, "heads");
    name_streams(finish_jobs, "finish jobs");
    name_streams(outputs, "outputs");
    name_streams(cache_vectors, "cache vectors");
#ifdef ACCLLM_BOUNDED_STREAMS
    table_commands.set_name("table commands");
    engine_commands.set_name("engine commands");
    job.set_name("job");
    deal_jobs.set_name("deal jobs");
    records.set_name("records");
    table.set_name("table");
    distances.set_name("distances");
    feed_jobs.set_name("feed jobs");
    row_jobs.set_name("row jobs");
    codes.set_name("codes");
    results.set_name("results");
    centering_jobs.set_name("centering jobs");
    centering_codes.set_name("centering codes");
    centering_factors.set_name("centering factors");
    cache_jobs.set_name("cache jobs");
    cache_floats.set_name("cache floats");
    cache_flags.set_name("cache flags");
    store.set_name("store");
    clock_requests.set_name("clock requests");
    clock_times.set_name("clock times");
    lane_clock.set_name("lane clock");
    mean_clock.set_name("mean clock");
    mean_ends.set_name("mean ends");
    deal_jobs.set_gate(lane_gate);
    centering_jobs.set_gate(mean_gate);
    centering_codes.set_gate(mean_gate);
    centering_factors.set_gate(mean_gate);
    distances.set_gate(mean_gate);
#endif
    gate_streams(cache, lane_gate);
    gate_streams(score_jobs, lane_gate);
    gate_streams(query_scalars, lane_gate);
    gate_streams(dots, lane_gate);
    gate_streams(means, lane_gate);
    gate_streams(block_sums, lane_gate);
  }
};

}  // namespace accel::dataflow
