#pragma once

#include "accllm/ports.hpp"
#include "kernels/kv_cache.hpp"
#include "region.hpp"
#include "tokens.hpp"

/// \file
/// One memory channel: long bursts of weights, keys and values into streams, and new vectors into the cache.
/// All of it in the order of its commands, so a write is seen by every read behind it.

namespace accel::dataflow {

template <class Stream>
void burst(const Beat* memory, uint32_t first, uint32_t beats, Stream& out) {
  for (uint32_t i = 0; i < beats; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 16 max = 65536
    out.write(memory[first + i]);
  }
}

/// The cache: runs of beats, which are the scales or the codes of consecutive blocks, or all of them at once.
template <class Stream>
void read_runs(const Beat* memory, const ChannelCommand& command, Stream& out) {
  if (command.runs == 1) {
    burst(memory, command.first, command.beats, out);
    return;
  }
  for (uint32_t run = 0; run < command.runs; ++run) {
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 129
    for (uint32_t i = 0; i < command.beats; ++i) {
#pragma HLS PIPELINE II = 1
#pragma HLS LOOP_TRIPCOUNT min = 1 max = 16
#pragma HLS LOOP_FLATTEN
      out.write(memory[command.first + run * command.stride + i]);
    }
  }
}

/// Writes one vector: its word into the block's beat of scales, its nibbles into the beats of codes.
template <class Stream>
void write_vector(Beat* memory, const ChannelCommand& command, Stream& vectors) {
  const uint32_t pair = get_word(vectors.read(), 0);
  Beat scales = memory[command.first];
  set_word(scales, command.lane, pair);
  memory[command.first] = scales;
  uint32_t address = command.first + 1 + command.lane * command.size / codes_per_beat;
  uint32_t nibble = command.lane * command.size % codes_per_beat;
  Beat target = memory[address];
  Beat codes = zero_beat();
  for (uint32_t d = 0; d < command.size; ++d) {
#pragma HLS LOOP_TRIPCOUNT min = 64 max = 256
    if (d % codes_per_beat == 0) codes = vectors.read();
    if (nibble == codes_per_beat) {
      memory[address] = target;
      target = memory[++address];
      nibble = 0;
    }
    set_bits(target, 4 * nibble, 4, get_bits(codes, 4 * (d % codes_per_beat), 4));
    ++nibble;
  }
  memory[address] = target;
}

/// Serves a channel until it is told to stop. `cache` is null in a channel without cache, `weights` in one
/// without weights.
template <class Commands, class Weights, class Cached, class Vectors>
void serve_channel(const Beat* weight_memory, Beat* cache_memory, Commands& commands, Weights* weights,
                   Cached* cache, Vectors* vectors) {
  for (;;) {
    const ChannelCommand command = commands.read();
    switch (command.kind) {
      case ChannelCommand::weights:
        burst(weight_memory, command.first, command.beats, *weights);
        break;
      case ChannelCommand::cache:
        read_runs(cache_memory, command, *cache);
        break;
      case ChannelCommand::write:
        write_vector(cache_memory, command, *vectors);
        break;
      default:
        return;
    }
  }
}

/// Serves the table port.
template <class Commands, class Engine, class Distances>
void serve_table(const Beat* table, Commands& commands, Engine& engine, Distances& distances) {
  for (;;) {
    const TableCommand command = commands.read();
    if (command.kind == TableCommand::stop) return;
    if (command.kind == TableCommand::engine) {
      burst(table, command.first, command.beats, engine);
    } else {
      burst(table, command.first, command.beats, distances);
    }
  }
}

/// Writes to the io port until it is told to stop.
template <class Beats>
void serve_store(Beat* io, Beats& beats) {
  for (;;) {
#pragma HLS PIPELINE II = 1
    const StoreBeat beat = beats.read();
    if (beat.stop) return;
    io[beat.address] = beat.beat;
  }
}

}  // namespace accel::dataflow
