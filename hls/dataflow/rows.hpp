#pragma once

#include "accllm/number.hpp"
#include "region.hpp"
#include "tokens.hpp"

/// \file
/// Both ends of the arrays: activations in, finished rows out.

namespace accel::dataflow {

/// Holds the codes of a block of tokens and sends them down the chain once for every tile.
template <class C, class Jobs, class Codes, class Chain>
void feed_activations(Jobs& jobs, Codes& codes, Chain& chain) {
  Beat memory[C::columns / group_size][C::block_tokens];
#pragma HLS BIND_STORAGE variable = memory type = ram_2p impl = uram
  for (;;) {
    const MatrixJob<C> job = jobs.read();
    chain.write(ArrayJob{job.stop, job.tiles, job.groups, job.format, job.tokens}.beat());
    if (job.stop) return;
    for (uint32_t t = 0; t < job.tokens; ++t) {
      for (uint32_t g = 0; g < job.groups; ++g) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 32 max = 512
        memory[g][t] = codes.read();
      }
    }
    for (uint32_t tile = 0; tile < job.tiles; ++tile) {
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2048
      for (uint32_t g = 0; g < job.groups; ++g) {
#pragma HLS LOOP_TRIPCOUNT min = 32 max = 512
        for (uint32_t t = 0; t < job.tokens; ++t) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 16
          chain.write(memory[g][t]);
        }
      }
    }
  }
}

/// Collects the sums of all arrays tile by tile, which is the order of the rows, and ends them: one
/// conversion and one multiplication by 2^(e-1) times the token's scale.
template <class C, class Jobs, class Sums, class Results>
void finish_rows(Jobs& jobs, Sums (&sums)[C::weight_channels], Results& results) {
  for (;;) {
    const MatrixJob<C> job = jobs.read();
    if (job.stop) return;
    for (uint32_t tile = 0; tile < job.tiles; ++tile) {
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 2048
      for (uint32_t channel = 0; channel < C::weight_channels; ++channel) {
#pragma HLS UNROLL
        const uint32_t row0 = (tile * C::weight_channels + channel) * tile_rows;
        for (uint32_t t = 0; t < job.tokens; ++t) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 16
          const auto found = sums[channel].read();
          if (row0 >= job.rows) continue;
          TileResult result;
          for (uint32_t row = 0; row < tile_rows; ++row) {
#pragma HLS UNROLL
            // Rows of padding carry any exponent.
            const bool real = row0 + row < job.rows;
            const float scale = real ? job.scale[t] * power_of_two(found.exponent[row] - 1) : 0.0f;
            result.value[row] = static_cast<float>(static_cast<int64_t>(found.sum[row])) * scale;
          }
          results.write(result);
        }
      }
    }
  }
}

}  // namespace accel::dataflow
