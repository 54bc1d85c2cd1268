#pragma once

#include "accllm/beat.hpp"
#include "accllm/number.hpp"

namespace accel {

/// A 64-byte descriptor of the command stream; fields by the names of the generated header.
struct Descriptor {
  uint32_t words[descriptor_words];

  uint32_t operation() const { return words[0]; }
  uint32_t field(uint32_t index) const { return words[index]; }
  float float_field(uint32_t index) const { return float_of(words[index]); }
  bool has(uint32_t flag_mask) const { return (words[1] & flag_mask) != 0; }
};

inline Descriptor load_descriptor(const Beat& beat) {
  Descriptor d;
  for (uint32_t i = 0; i < descriptor_words; ++i) {
#pragma HLS UNROLL
    d.words[i] = get_word(beat, i);
  }
  return d;
}

/// The job header: which descriptors to execute on which tokens.
struct Job {
  uint32_t abi;
  uint32_t command_offset;
  uint32_t command_count;
  uint32_t input_offset;
  uint32_t input_stride;
  uint32_t tokens;
  uint32_t first_logit;
  uint32_t status_offset;
};

inline Job load_job(const Beat& beat) {
  Job job;
  job.abi = get_word(beat, job_field::abi_version);
  job.command_offset = get_word(beat, job_field::command_offset);
  job.command_count = get_word(beat, job_field::command_count);
  job.input_offset = get_word(beat, job_field::input_offset);
  job.input_stride = get_word(beat, job_field::input_stride);
  job.tokens = get_word(beat, job_field::tokens);
  job.first_logit = get_word(beat, job_field::first_logit);
  job.status_offset = get_word(beat, job_field::status_offset);
  return job;
}

/// First token of the block that a descriptor works on; job.tokens where it has nothing to do.
inline uint32_t first_token(const Descriptor& d, const Job& job) {
  return d.has(flag::head) ? job.first_logit : 0;
}

/// Shape of a matrix in the weight channels (quant/format/weight-layout.ts).
struct MatrixShape {
  uint32_t offset;
  uint32_t rows;
  uint32_t groups;
  uint32_t format;
  uint32_t planes;
  bool sparse;
  uint32_t tiles;
  uint32_t tile_beats;
  uint32_t beats;
};

/// Fields 2 to 5 and 7 stand in the same place in matmul and logits.
inline MatrixShape matrix_shape(const Descriptor& d, uint32_t channels) {
  MatrixShape m;
  m.offset = d.field(field::matmul::weight_offset);
  m.rows = d.field(field::matmul::rows);
  m.groups = ceil_div(d.field(field::matmul::columns), group_size);
  m.format = d.field(field::matmul::format);
  m.planes = static_cast<uint32_t>(format_planes[m.format & 3]);
  m.sparse = m.format == weight_format::w2s24;
  m.tiles = ceil_div(ceil_div(m.rows, tile_rows), channels);
  m.tile_beats = m.sparse ? m.groups : m.groups * m.planes + ceil_div(m.groups, groups_per_scale_beat);
  m.beats = m.tiles * m.tile_beats + ceil_div(m.tiles, tiles_per_exponent_beat);
  return m;
}

/// Shape of the cache of one layer (quant/format/kv-layout.ts); the fields stand in the same place in rope_kv
/// and attend.
struct CacheShape {
  uint32_t offset;
  uint32_t kv_heads;
  uint32_t head_dim;
  uint32_t sinks;
  uint32_t window;
  uint32_t ring;
  uint32_t block_beats;
  uint32_t region_beats;
  uint32_t layer_beats;
};

inline CacheShape cache_shape(const Descriptor& d, uint32_t channels) {
  CacheShape c;
  c.offset = d.field(field::rope_kv::kv_offset);
  c.kv_heads = d.field(field::rope_kv::kv_heads);
  c.head_dim = d.field(field::rope_kv::head_dim);
  c.sinks = d.field(field::rope_kv::sinks);
  c.window = d.field(field::rope_kv::window);
  c.ring = d.field(field::rope_kv::ring);
  c.block_beats = 1 + ceil_div(kv_block_slots * c.head_dim / 2, beat_bytes);
  c.region_beats = ceil_div(c.sinks + c.ring, kv_block_slots) * c.block_beats;
  c.layer_beats = ceil_div(c.kv_heads, channels) * 2 * c.region_beats;
  return c;
}

/// Cache slot of a position.
inline uint32_t slot_of(const CacheShape& c, uint32_t position) {
  return position < c.sinks ? position : c.sinks + (position - c.sinks) % c.ring;
}

/// Keys that the token at `position` attends to: sinks 0 .. sinks - 1, then first .. first + recent - 1.
struct AttentionSpan {
  uint32_t sinks;
  uint32_t first;
  uint32_t recent;
  uint32_t keys() const { return sinks + recent; }
};

inline AttentionSpan attention_span(const CacheShape& c, uint32_t position) {
  AttentionSpan s;
  s.sinks = position + 1 < c.sinks ? position + 1 : c.sinks;
  const uint32_t oldest = position + 1 > c.window ? position + 1 - c.window : 0;
  s.first = oldest > c.sinks ? oldest : c.sinks;
  s.recent = position + 1 > s.first ? position + 1 - s.first : 0;
  return s;
}

}  // namespace accel
