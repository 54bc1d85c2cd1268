#pragma once

#include "accllm/number.hpp"
#include "array.hpp"
#include "region.hpp"
#include "tokens.hpp"

/// \file
/// Both ends of the arrays: jobs and activations in, finished rows out.

namespace accel::dataflow {

/// Holds the codes of a block of tokens, for as many matrices as read them, and sends them down the chain
/// once for every tile, two tokens at a time or one token twice (array.hpp). Where there is one token its
/// codes go down for the first tile as they come.
template <class C, class Jobs, class Codes, class Chain>
void feed_activations(Jobs& jobs, Codes& codes, Chain& chain) {
  constexpr uint32_t most_pairs = ceil_div(C::block_tokens, 2);
  ChainBeat memory[C::columns / group_size][most_pairs];
#pragma HLS BIND_STORAGE variable = memory type = ram_2p impl = uram
  for (;;) {
    const ArrayJob job = jobs.read();
    chain.write(ChainBeat{{job.beat(), zero_beat()}});
    if (job.kind == ArrayJob::stop) return;
    if (job.kind != ArrayJob::matrix) continue;
    const bool sparse = job.format == weight_format::w2s24;
    const bool passes = job.tokens == 1 && !job.keeps_codes;
    for (uint32_t t = 0; t < job.tokens && !job.keeps_codes; ++t) {
      for (uint32_t g = 0; g < job.groups; ++g) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 32 max = 320
        const Beat beat = codes.read();
        memory[g][t / 2].token[t % 2] = beat;
        // The last pair may lack its second token.
        if (t % 2 == 0) memory[g][t / 2].token[1] = zero_beat();
        if (passes) chain.write(ChainBeat{{beat, sparse ? zero_beat() : beat}});
      }
    }
    const uint32_t turns = ceil_div(job.tokens, tokens_at_once(sparse));
    uint32_t g = 0;
    uint32_t turn = 0;
    for (uint32_t step = passes ? job.groups : 0; step < job.tiles * job.groups * turns; ++step) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 512 max = 262144
      if (sparse) {
        chain.write(memory[g][turn]);
      } else {
        const Beat token = memory[g][turn / 2].token[turn % 2];
        chain.write(ChainBeat{{token, token}});
      }
      const bool last_turn = turn + 1 == turns;
      turn = last_turn ? 0 : turn + 1;
      if (last_turn) g = g + 1 == job.groups ? 0 : g + 1;
    }
  }
}

/// Collects the sums of all arrays tile by tile, which is the order of the rows, and ends them, four rows of
/// two tokens a clock: one conversion and one multiplication by 2^(e-1) times the token's scale.
template <class C, class Jobs, class Sums, class Results>
void finish_rows(Jobs& jobs, Sums (&sums)[C::weight_channels], Results& results) {
  for (;;) {
    const MatrixJob<C> job = jobs.read();
    if (job.stop) return;
    const uint32_t turns = ceil_div(job.tokens, job.at_once);
    for (uint32_t tile = 0; tile < job.tiles; ++tile) {
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2048
      for (uint32_t channel = 0; channel < C::weight_channels; ++channel) {
        const uint32_t row0 = (tile * C::weight_channels + channel) * tile_rows;
        for (uint32_t turn = 0; turn < turns; ++turn) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 16
#pragma HLS LOOP_FLATTEN
          const auto found = sums[channel].read();
          if (row0 >= job.rows) continue;
          TileResult result;
          for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
            for (uint32_t t = 0; t < 2; ++t) {
#pragma HLS UNROLL
              // Rows of padding carry any exponent.
              const uint32_t token = job.at_once * turn + t;
              const bool real = row0 + row < job.rows && t < job.at_once && token < job.tokens;
              const float scale = real ? job.scale[token] * power_of_two(found.exponent[row] - 1) : 0.0f;
              result.value[row][t] = static_cast<float>(static_cast<int64_t>(found.sum[row][t])) * scale;
            }
          }
          results.write(result);
        }
      }
    }
  }
}

}  // namespace accel::dataflow
