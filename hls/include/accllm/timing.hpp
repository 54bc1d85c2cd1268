#pragma once

#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"

/// \file
/// MODELLED cycles of each descriptor on the U280. No figure from a card or from Vitis stands behind this: it
/// is the larger of what the HBM channels need at a stated efficiency and what the array needs, plus a
/// latency, and descriptors do not overlap. docs/accelerator.md explains the parameters.

namespace accel::timing {

/// Sequential reads reach 92 % of an HBM channel's peak (Shuhai, arXiv 2005.04324).
constexpr uint64_t burst_percent = 92;
/// Multipliers behind one weight channel: a dense 2-bit beat in one clock, a 2:4 beat for two tokens.
constexpr uint64_t macs_per_channel = 256;
/// Elements that the float units take in a clock.
constexpr uint64_t float_lanes = 16;
/// From the first request to the first beat, and the drain of the pipelines behind it.
constexpr uint64_t latency = 150;

constexpr uint64_t ceil64(uint64_t a, uint64_t b) { return (a + b - 1) / b; }

inline uint64_t transfer(uint64_t beats) { return ceil64(beats * 100, burst_percent); }

inline uint64_t matrix(const Descriptor& d, uint64_t tokens, uint32_t channels) {
  const MatrixShape m = matrix_shape(d, channels);
  const uint64_t macs_per_beat = m.sparse ? 128 : 256;
  const uint64_t compute = ceil64(uint64_t{m.beats} * macs_per_beat * tokens, macs_per_channel);
  const uint64_t memory = transfer(m.beats);
  return (compute > memory ? compute : memory) + latency;
}

/// Elementwise work of `passes` passes over `length` elements a token.
inline uint64_t elementwise(uint64_t length, uint64_t passes, uint64_t tokens) {
  return tokens * (ceil64(length, float_lanes) * passes) + latency;
}

inline uint64_t attention(const Descriptor& d, const Job& job, const Ports& ports) {
  const CacheShape c = cache_shape(d, ports.kv_channels);
  const uint64_t heads_per_channel = ceil_div(c.kv_heads, ports.kv_channels);
  uint64_t cycles = 0;
  for (uint32_t t = 0; t < job.tokens; ++t) {
    const Beat& record = ports.io[job.input_offset + t * job.input_stride];
    const uint64_t keys = attention_span(c, get_word(record, token_field::position)).keys();
    const uint64_t blocks = ceil64(keys, kv_block_slots);
    cycles += transfer(heads_per_channel * 2 * blocks * c.block_beats) + latency;
  }
  return cycles;
}

/// Modelled cycles of one descriptor.
inline uint64_t cycles(const Descriptor& d, const Job& job, const Ports& ports) {
  const uint64_t tokens = job.tokens - (d.has(flag::head) ? job.first_logit : 0);
  if (tokens == 0) return 0;
  switch (d.operation()) {
    case operation::embed:
      return elementwise(d.field(field::embed::hidden), 1, tokens);
    case operation::norm:
      return elementwise(d.field(field::norm::length), 3, tokens);
    case operation::matmul:
    case operation::logits:
      return matrix(d, tokens, ports.weight_channels);
    case operation::rope_kv:
      return elementwise(d.field(field::rope_kv::kv_heads) * d.field(field::rope_kv::head_dim), 6, tokens);
    case operation::attend:
      return attention(d, job, ports);
    case operation::silu_mul:
      return elementwise(d.field(field::silu_mul::length), 2, tokens);
    case operation::add:
      return elementwise(d.field(field::add::length), 1, tokens);
    default:
      return elementwise(d.field(field::dump::length), 1, tokens);
  }
}

}  // namespace accel::timing
