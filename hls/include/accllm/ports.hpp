#pragma once

#include "accllm/beat.hpp"
#include "accllm/number.hpp"

namespace accel {

/// The kernel's memory ports: one a weight channel, one a KV channel, the table (embeddings, gains, key
/// means, distances) and io (job, commands, token records, outputs). Indices into the arrays are compile-time
/// constants after unrolling, so that each port stays a port of its own in synthesis.
struct Ports {
  const Beat* weight[max_weight_channels];
  uint32_t weight_channels;
  Beat* kv[max_kv_channels];
  uint32_t kv_channels;
  const Beat* table;
  Beat* io;
};

/// float32 at word `index` of a run of beats.
inline float load_float(const Beat* beats, uint32_t index) {
#pragma HLS INLINE
  return float_of(get_word(beats[index / beat_words], index % beat_words));
}

}  // namespace accel
