#pragma once

#include <vector>

#include "accllm/descriptor.hpp"
#include "accllm/number.hpp"
#include "check.hpp"

/// \file
/// A small random model as the kernel sees it: weights, cache and table in memory, the command stream of a
/// forward pass with a dump of every buffer, and jobs of one or more tokens.

namespace bench {

using accel::Beat;

struct Shape {
  uint32_t weight_channels;
  uint32_t kv_channels;
  uint32_t hidden;
  uint32_t intermediate;
  uint32_t heads;
  uint32_t kv_heads;
  uint32_t head_dim;
  uint32_t layers;
  uint32_t vocabulary;
  uint32_t sinks;
  uint32_t window;
  uint32_t flags;
  uint32_t formats[4];  // q k v, o, gate and up, down
  uint32_t head_format;
  /// Whether queries, keys, values and the attention's output have a bias.
  bool biased;
  /// Whether the last layer does for tokens before firstLogit no more than their keys and values.
  bool ends_early;
};

class RandomJob {
 public:
  RandomJob(const Shape& shape, uint64_t seed) : shape_(shape), random_(seed) {
    namespace op = accel::operation;
    namespace buf = accel::buffer;
    const Shape& s = shape_;
    weights.resize(s.weight_channels);
    kv.resize(s.kv_channels);
    io.assign(1, accel::zero_beat());
    row_beats_ = accel::ceil_div(s.hidden, 32);
    const uint32_t embeddings = half_table(s.vocabulary * row_beats_);
    const uint32_t distance_beats = accel::ceil_div(s.head_dim, 32);
    const uint32_t distances = integer_table((s.sinks + s.window) * distance_beats);
    const uint32_t ring = s.window + accel::limit::block_tokens - 1;
    const uint32_t q_rows = s.heads * s.head_dim;
    const uint32_t kv_rows = s.kv_heads * s.head_dim;
    add({op::embed, 0, embeddings, row_beats_, s.hidden, s.vocabulary});
    for (uint32_t layer = 0; layer < s.layers; ++layer) {
      add({op::norm, 0, float_table(s.hidden, 1.0f), s.hidden, accel::bits_of(1e-5f)});
      const uint32_t flags = s.biased ? uint32_t{accel::flag::biased} : 0;
      const uint32_t wanted = s.ends_early && layer + 1 == s.layers ? uint32_t{accel::flag::head} : 0;
      const auto bias = [&](uint32_t rows) { return s.biased ? float_table(rows, 0.1f) : 0; };
      matrix(op::matmul, flags | wanted, q_rows, s.hidden, s.formats[0], {buf::q, 0, bias(q_rows)});
      matrix(op::matmul, flags, kv_rows, s.hidden, s.formats[0], {buf::k, 0, bias(kv_rows)});
      matrix(op::matmul, flags, kv_rows, s.hidden, s.formats[0], {buf::v, 0, bias(kv_rows)});
      dump(buf::a, s.hidden);
      const uint32_t cache = cache_region(ring);
      const uint32_t means = float_table(kv_rows, 0.5f);
      add({op::rope_kv, s.flags, cache, s.kv_heads, s.head_dim, s.sinks, s.window, ring, means});
      add({op::attend, s.flags | wanted, cache, s.kv_heads, s.head_dim, s.sinks, s.window, ring, means,
           s.heads, accel::bits_of(0.1f), accel::bits_of(1.0f / 32767.0f / 8.0f), distances, distance_beats});
      dump(buf::a, q_rows, wanted);
      dump(buf::k, kv_rows);
      matrix(op::matmul, flags | wanted, s.hidden, q_rows, s.formats[1], {buf::y, 0, bias(s.hidden)});
      add({op::add, wanted, s.hidden});
      add({op::norm, wanted, float_table(s.hidden, 1.0f), s.hidden, accel::bits_of(1e-5f)});
      matrix(op::matmul, wanted, s.intermediate, s.hidden, s.formats[2], {buf::g});
      matrix(op::matmul, wanted, s.intermediate, s.hidden, s.formats[2], {buf::u});
      add({op::silu_mul, wanted, s.intermediate});
      matrix(op::matmul, wanted, s.hidden, s.intermediate, s.formats[3], {buf::y});
      add({op::add, wanted, s.hidden});
      dump(buf::x, s.hidden);
    }
    add({op::norm, accel::flag::head, float_table(s.hidden, 1.0f), s.hidden, accel::bits_of(1e-5f)});
    const uint32_t logit_beats = accel::ceil_div(s.vocabulary, accel::beat_words);
    const uint32_t logits = reserve(logit_beats * accel::limit::block_tokens);
    matrix(op::logits, accel::flag::head, s.vocabulary, s.hidden, s.head_format, {logits, 0, logit_beats});
    for (std::vector<Beat>& channel : kv) fill_cache(channel);
  }

  /// Prepares a job of `tokens` tokens from `position` on; logits from `first_logit` on.
  void job(uint32_t tokens, uint32_t position, uint32_t first_logit) {
    const Shape& s = shape_;
    if (command_offset_ == 0) {
      command_offset_ = reserve(static_cast<uint32_t>(commands_.size()));
      for (size_t i = 0; i < commands_.size(); ++i) io[command_offset_ + i] = commands_[i];
      stride_ = 1 + accel::ceil_div(2 * s.head_dim, accel::beat_words);
      records_ = reserve(stride_ * accel::limit::block_tokens);
      status = reserve(accel::status_beats);
    }
    for (uint32_t t = 0; t < tokens; ++t) {
      Beat* record = &io[records_ + t * stride_];
      const uint32_t furthest = s.sinks + s.window - 1;
      record[0] = accel::zero_beat();
      accel::set_word(record[0], accel::token_field::token, random_.below(s.vocabulary));
      accel::set_word(record[0], accel::token_field::position, position + t);
      accel::set_word(record[0], accel::token_field::sink_position,
                      position + t < furthest ? position + t : furthest);
      for (uint32_t i = 0; i < 2 * s.head_dim; ++i) {
        accel::set_word(record[1 + i / 16], i % 16, accel::bits_of(random_.symmetric()));
      }
    }
    Beat header = accel::zero_beat();
    accel::set_word(header, accel::job_field::abi_version, accel::abi_version);
    accel::set_word(header, accel::job_field::command_offset, command_offset_);
    accel::set_word(header, accel::job_field::command_count, static_cast<uint32_t>(commands_.size()));
    accel::set_word(header, accel::job_field::input_offset, records_);
    accel::set_word(header, accel::job_field::input_stride, stride_);
    accel::set_word(header, accel::job_field::tokens, tokens);
    accel::set_word(header, accel::job_field::first_logit, first_logit);
    accel::set_word(header, accel::job_field::status_offset, status);
    io[0] = header;
  }

  uint32_t status_code() const { return accel::get_word(io[status], accel::status_field::code); }
  /// A counter of the status block.
  uint64_t counter(uint32_t i) const {
    const Beat& beat = io[status + 1 + i / 8];
    return accel::get_word(beat, 2 * (i % 8)) | uint64_t{accel::get_word(beat, 2 * (i % 8) + 1)} << 32;
  }
  uint32_t commands() const { return static_cast<uint32_t>(commands_.size()); }
  /// Where the i-th descriptor lies, once a job is prepared.
  Beat& command(uint32_t i) { return io[command_offset_ + i]; }
  Beat& record(uint32_t token) { return io[records_ + token * stride_]; }

  std::vector<std::vector<Beat>> weights;
  std::vector<std::vector<Beat>> kv;
  std::vector<Beat> table;
  std::vector<Beat> io;
  uint32_t status = 0;

 private:
  uint32_t reserve(uint32_t beats) {
    const auto at = static_cast<uint32_t>(io.size());
    io.resize(io.size() + beats, accel::zero_beat());
    return at;
  }

  void add(const std::vector<uint32_t>& words) {
    Beat beat = accel::zero_beat();
    for (uint32_t i = 0; i < words.size(); ++i) accel::set_word(beat, i, words[i]);
    commands_.push_back(beat);
  }

  void dump(uint32_t name, uint32_t length, uint32_t flags = 0) {
    const uint32_t row_beats = accel::ceil_div(length + 1, accel::beat_words);
    add({accel::operation::dump, flags, name, length, reserve(row_beats * accel::limit::block_tokens),
         row_beats});
  }

  /// A matrix of random codes, scales and positions; `last` are the fields behind the format.
  void matrix(uint32_t operation, uint32_t flags, uint32_t rows, uint32_t columns, uint32_t format,
              const std::vector<uint32_t>& last) {
    accel::Descriptor d = {};
    d.words[accel::field::matmul::rows] = rows;
    d.words[accel::field::matmul::columns] = columns;
    d.words[accel::field::matmul::format] = format;
    const accel::MatrixShape m = accel::matrix_shape(d, shape_.weight_channels);
    const auto at = static_cast<uint32_t>(weights[0].size());
    for (std::vector<Beat>& channel : weights) {
      channel.resize(at + m.beats);
      for (uint32_t b = 0; b < m.beats; ++b) {
        for (uint32_t w = 0; w < 16; ++w) accel::set_word(channel[at + b], w, random_.next());
      }
      for (uint32_t b = 0; b < m.beats; b += accel::tiles_per_exponent_beat * m.tile_beats + 1) {
        for (uint32_t i = 0; i < 64; ++i) {
          accel::set_bits(channel[at + b], 8 * i, 8, static_cast<uint8_t>(random_.below(4) - 24u));
        }
      }
    }
    std::vector<uint32_t> words = {operation, flags, at, rows, columns, format, last[0], m.beats};
    if (last.size() > 2) words.push_back(last[2]);
    add(words);
  }

  uint32_t table_beats(uint32_t beats) {
    const auto at = static_cast<uint32_t>(table.size());
    table.resize(table.size() + beats, accel::zero_beat());
    return at;
  }

  uint32_t half_table(uint32_t beats) {
    const uint32_t at = table_beats(beats);
    for (uint32_t i = 0; i < beats * 32; ++i) {
      accel::set_bits(table[at + i / 32], 16 * (i % 32), 16, accel::to_half(random_.symmetric()));
    }
    return at;
  }

  uint32_t integer_table(uint32_t beats) {
    const uint32_t at = table_beats(beats);
    for (uint32_t i = 0; i < beats * 16; ++i) accel::set_word(table[at + i / 16], i % 16, random_.next());
    return at;
  }

  uint32_t float_table(uint32_t count, float around) {
    const uint32_t at = table_beats(accel::ceil_div(count, 16));
    for (uint32_t i = 0; i < count; ++i) {
      accel::set_word(table[at + i / 16], i % 16, accel::bits_of(around + 0.3f * random_.symmetric()));
    }
    return at;
  }

  uint32_t cache_region(uint32_t ring) {
    accel::Descriptor d = {};
    d.words[accel::field::attend::kv_heads] = shape_.kv_heads;
    d.words[accel::field::attend::head_dim] = shape_.head_dim;
    d.words[accel::field::attend::sinks] = shape_.sinks;
    d.words[accel::field::attend::ring] = ring;
    const accel::CacheShape c = accel::cache_shape(d, shape_.kv_channels);
    const auto at = static_cast<uint32_t>(kv[0].size());
    for (std::vector<Beat>& channel : kv) channel.resize(at + c.layer_beats, accel::zero_beat());
    return at;
  }

  /// As if tokens had been there: any codes, scales and minima that are numbers.
  void fill_cache(std::vector<Beat>& channel) {
    for (Beat& beat : channel) {
      for (uint32_t i = 0; i < 32; ++i) {
        accel::set_bits(beat, 16 * i, 16, accel::to_half(0.2f + 0.1f * random_.symmetric()));
      }
    }
  }

  const Shape shape_;
  Random random_;
  std::vector<Beat> commands_;
  uint32_t row_beats_ = 0;
  uint32_t command_offset_ = 0;
  uint32_t records_ = 0;
  uint32_t stride_ = 0;
};

}  // namespace bench
