#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"
#include "engine.hpp"
#include "random_shape.hpp"

/// \file
/// A random layer of a model with random bytes for weights, as command stream and device memory: every
/// operation, odd sizes, all formats, and every activation dumped.

namespace cases {

using namespace accel;
using accllm::emulator::Invocation;
using accllm::emulator::PortMemory;

struct Memory {
  std::vector<std::vector<Beat>> weight, kv;
  std::vector<Beat> table, io;

  static PortMemory port(std::vector<Beat>& beats, uint64_t generation) {
    return {reinterpret_cast<std::byte*>(beats.data()), beats.size() * sizeof(Beat), generation};
  }
  /// `job`: beat of the job's header.
  Invocation invocation(uint64_t generation, const std::atomic<bool>& cancel, uint32_t job = 0) {
    Invocation call{};
    for (auto& channel : weight) call.weight.push_back(port(channel, generation));
    for (auto& channel : kv) call.kv.push_back(port(channel, 0));
    call.table = port(table, generation);
    call.io = port(io, 0);
    call.job = job;
    call.cancel = &cancel;
    return call;
  }
};

/// Builds the memory and the command stream of one layer.
class Builder {
 public:
  /// \param jobs how many jobs there is room for.
  Builder(const Shape& shape, bench::Random& random, uint32_t jobs = 1) : s_(shape), random_(random) {
    memory.weight.resize(s_.weight_channels);
    memory.kv.resize(s_.kv_channels);
    stride_ = 1 + ceil_div(2 * s_.head_dim, beat_words);
    commands_at_ = jobs * job_beats();
    build();
  }

  Memory memory;
  uint32_t descriptors() const { return static_cast<uint32_t>(commands_.size()); }

  /// Beat of the header of job number `index`, which the status follows.
  uint32_t job_at(uint32_t index) const { return index * job_beats(); }
  uint32_t status_at(uint32_t index) const { return job_at(index) + 1; }

  /// Writes the job of `tokens` tokens from `position` on, of which any number's results are wanted.
  void write_job(uint32_t position, uint32_t tokens) {
    write_job(position, tokens, s_.benchmark ? (tokens == 1 ? 0 : tokens) : random_.below(tokens + 1), 0);
  }

  /// The same of job number `index`, of which the results of tokens `first_wanted` and following are wanted.
  void write_job(uint32_t position, uint32_t tokens, uint32_t first_wanted, uint32_t index) {
    const uint32_t records = status_at(index) + status_beats;
    const uint32_t words[] = {abi_version, commands_at_, descriptors(), records,
                              stride_,     tokens,       first_wanted,  status_at(index)};
    memory.io[job_at(index)] = beat_of(words, 8);
    for (uint32_t t = 0; t < tokens; ++t) {
      const uint32_t p = position + t;
      Beat* record = &memory.io[records + t * stride_];
      const uint32_t head[] = {random_.below(s_.vocabulary), p, std::min(p, s_.sinks + s_.window - 1)};
      record[0] = beat_of(head, 3);
      for (uint32_t i = 0; i < 2 * s_.head_dim; ++i)
        set_word(record[1 + i / beat_words], i % beat_words, bits_of(random_.symmetric()));
    }
  }

 private:
  uint32_t job_beats() const { return 1 + status_beats + stride_ * limit::block_tokens; }

  static Beat beat_of(const uint32_t* words, uint32_t count) {
    Beat beat = zero_beat();
    for (uint32_t i = 0; i < count; ++i) set_word(beat, i, words[i]);
    return beat;
  }

  void command(std::initializer_list<uint32_t> words) {
    commands_.push_back(beat_of(words.begin(), static_cast<uint32_t>(words.size())));
  }

  uint32_t place_table(uint32_t beats) {
    const auto offset = static_cast<uint32_t>(memory.table.size());
    memory.table.resize(offset + beats, zero_beat());
    return offset;
  }

  uint32_t place_floats(uint32_t count, float middle, float width) {
    const uint32_t offset = place_table(ceil_div(count, beat_words));
    for (uint32_t i = 0; i < count; ++i)
      set_word(memory.table[offset + i / beat_words], i % beat_words,
               bits_of(middle + width * random_.symmetric()));
    return offset;
  }

  uint32_t place_halves(uint32_t rows, uint32_t columns, bool floats) {
    const uint32_t beats = ceil_div(columns, 32);
    const uint32_t offset = place_table(rows * beats);
    for (uint32_t i = 0; i < rows * beats * 32; ++i) {
      const uint32_t word = random_.next();
      // float16 of 2^-8 .. 4, or any int16 but -32768; in flat models all the same, as large as it gets.
      const uint32_t half = s_.flat  ? (floats ? 0x3c00u : 0x7fffu)
                            : floats ? (word & 0x83ffu) | ((7 + (word >> 16) % 10) << 10)
                                     : word & 0xffffu;
      set_bits(memory.table[offset + i / 32], 16 * (i % 32), 16, half == 0x8000u ? 0 : half);
    }
    return offset;
  }

  void dump(uint32_t name, uint32_t length, uint32_t flags) {
    if (!s_.dumps) return;
    const uint32_t beats = ceil_div(length + (name == buffer::a ? 1 : 0), beat_words);
    command({operation::dump, flags, name, length, dump_end_, beats});
    dump_end_ += beats * limit::block_tokens;
  }

  /// A matrix of random bits, with exponents that keep results near 1.
  void matrix(uint32_t operation, uint32_t flags, uint32_t rows, uint32_t columns, uint32_t destination,
              bool biased = false) {
    const uint32_t format = s_.format < 4 ? s_.format : random_.below(4);
    Descriptor d = {};
    d.words[field::matmul::weight_offset] = weight_end_;
    d.words[field::matmul::rows] = rows;
    d.words[field::matmul::columns] = columns;
    d.words[field::matmul::format] = format;
    const MatrixShape m = matrix_shape(d, s_.weight_channels);
    // Zero-points near the middle of the codes, as quantizers choose them, a little off it, or anywhere.
    const uint32_t spread = s_.benchmark      ? 3
                            : columns > 16000 ? pick(random_, {3, 3, 3, 9})
                                              : pick(random_, {3, 9, 17, 32});
    // Scales that are multiples of 256, as quantizers choose them too, or but for the last ones, or any.
    const uint32_t rounded = s_.benchmark ? m.beats : pick(random_, {m.beats, m.beats, m.beats - 1, 0});
    for (auto& channel : memory.weight) {
      channel.resize(weight_end_ + m.beats);
      for (uint32_t b = 0; b < m.beats; ++b) {
        Beat& beat = channel[weight_end_ + b];
        const bool exponents = b % (tiles_per_exponent_beat * m.tile_beats + 1) == 0;
        for (uint32_t w = 0; w < beat_words; ++w)
          set_word(beat, w, exponents ? exponents_of_four() : s_.flat ? ~0u : random_.next());
        if (!exponents) limit_grids(m, b, spread, b < rounded, beat);
      }
    }
    if (operation == operation::matmul) {
      const uint32_t bias = biased ? place_floats(rows, 0.1f, 1.0f) : 0;
      command({operation, flags | (biased ? uint32_t{flag::biased} : 0), weight_end_, rows, columns, format,
               destination, m.beats, bias});
    } else {
      const uint32_t row_beats = ceil_div(rows, beat_words);
      command({operation, flags, weight_end_, rows, columns, format, dump_end_, m.beats, row_beats});
      dump_end_ += row_beats * limit::block_tokens;
    }
    weight_end_ += m.beats;
  }

  uint32_t exponents_of_four() {
    return s_.flat ? 0xeaeaeaeau : 0xe8eceaeeu - random_.below(3) * 0x01010101u;
  }

  /// Grids of the matrix' beat number `index`, if it has any: `spread` neighbouring zero codes around 3, in a
  /// flat model the least of them, or any if that is 32; and scales rounded to multiples of 256 or as they
  /// are.
  void limit_grids(const MatrixShape& m, uint32_t index, uint32_t spread, bool rounded, Beat& beat) {
    const auto limit = [&](uint32_t scale, uint32_t zero, uint32_t zero_bits) {
      if (spread < 32) put_zero(beat, zero, zero_bits, spread);
      if (rounded) set_bits(beat, scale, 8, 0);
    };
    const uint32_t in_tile = (index % (tiles_per_exponent_beat * m.tile_beats + 1) - 1) % m.tile_beats;
    if (m.sparse) {
      for (uint32_t lane = 0; lane < tile_rows; ++lane) limit(128 * lane + 112, 128 * lane + 108, 4);
    } else if (in_tile % (groups_per_scale_beat * m.planes + 1) == 0) {
      for (uint32_t entry = 0; entry < groups_per_scale_beat * tile_rows; ++entry)
        limit(16 * entry, 384 + 5 * entry, 5);
    }
  }

  void put_zero(Beat& beat, uint32_t low, uint32_t bits, uint32_t spread) {
    const uint32_t least = spread == 3 ? 2 : spread == 9 ? 1 : 0;
    const uint32_t code = least + random_.below(s_.flat ? 1 : spread);
    // One by one, as entries lie across words.
    for (uint32_t bit = 0; bit < bits; ++bit) set_bits(beat, low + bit, 1, (code >> bit) & 1);
  }

  void build() {
    dump_end_ = 0;
    const uint32_t table = place_halves(s_.vocabulary, s_.hidden, true);
    command({operation::embed, 0, table, ceil_div(s_.hidden, 32), s_.hidden, s_.vocabulary});
    dump(buffer::x, s_.hidden, 0);
    const uint32_t distances = place_halves(s_.sinks + s_.window, s_.head_dim, false);
    for (uint32_t layer = 0; layer < s_.layers; ++layer) {
      const uint32_t wanted = s_.ends_early && layer + 1 == s_.layers ? uint32_t{flag::head} : 0;
      attention(distances, wanted);
      feed_forward(wanted);
    }
    norm(flag::head);
    matrix(operation::logits, flag::head, s_.vocabulary, s_.hidden, 0);
    finish();
  }

  /// `wanted`: flags of what comes behind the keys and values.
  void attention(uint32_t distances, uint32_t wanted) {
    const uint32_t q = s_.heads * s_.head_dim;
    const uint32_t k = s_.kv_heads * s_.head_dim;
    const uint32_t flags =
        (s_.hadamard ? uint32_t{flag::hadamard} : 0) | (s_.centered ? uint32_t{flag::centered} : 0);
    norm(0);
    matrix(operation::matmul, wanted, q, s_.hidden, buffer::q, s_.biased);
    matrix(operation::matmul, 0, k, s_.hidden, buffer::k, s_.biased);
    matrix(operation::matmul, 0, k, s_.hidden, buffer::v, s_.biased);
    dump(buffer::q, q, wanted);
    dump(buffer::k, k, 0);
    dump(buffer::v, k, 0);
    const uint32_t means = place_floats(k, 0.0f, 2.0f);
    const float scale = 0.5f / static_cast<float>(s_.head_dim);
    Descriptor cache = {};
    const auto at = static_cast<uint32_t>(memory.kv[0].size());
    const uint32_t shape[] = {0, 0, at, s_.kv_heads, s_.head_dim, s_.sinks, s_.window, s_.ring};
    std::copy(std::begin(shape), std::end(shape), cache.words);
    for (auto& channel : memory.kv)
      channel.resize(at + cache_shape(cache, s_.kv_channels).layer_beats, zero_beat());
    command({operation::rope_kv, flags, at, s_.kv_heads, s_.head_dim, s_.sinks, s_.window, s_.ring, means});
    command({operation::attend, flags | wanted, at, s_.kv_heads, s_.head_dim, s_.sinks, s_.window, s_.ring,
             means, s_.heads, bits_of(scale), bits_of(scale / 32767.0f), distances,
             ceil_div(s_.head_dim, 32)});
    dump(buffer::a, q, wanted);
    matrix(operation::matmul, wanted, s_.hidden, q, buffer::y, s_.biased);
    dump(buffer::y, s_.hidden, wanted);
    command({operation::add, wanted, s_.hidden});
  }

  void feed_forward(uint32_t wanted) {
    norm(wanted);
    matrix(operation::matmul, wanted, s_.intermediate, s_.hidden, buffer::g);
    matrix(operation::matmul, wanted, s_.intermediate, s_.hidden, buffer::u);
    command({operation::silu_mul, wanted, s_.intermediate});
    dump(buffer::g, s_.intermediate, wanted);
    dump(buffer::a, s_.intermediate, wanted);
    matrix(operation::matmul, wanted, s_.hidden, s_.intermediate, buffer::y);
    command({operation::add, wanted, s_.hidden});
    dump(buffer::x, s_.hidden, 0);
  }

  void norm(uint32_t flags) {
    // Now and then a gain that makes the vector infinite, or vanish.
    const uint32_t kind = !s_.benchmark && !s_.flat ? random_.below(20) : 2;
    const uint32_t gains =
        place_floats(s_.hidden, kind == 1 ? 0.0f : 1.0f, kind == 1 || s_.flat ? 0.0f : 0.5f);
    if (kind == 0) set_word(memory.table[gains], 0, infinity_bits);
    command({operation::norm, flags, gains, s_.hidden, bits_of(1e-5f)});
    dump(buffer::a, s_.hidden, flags);
  }

  /// Moves the dumps behind the jobs and the commands in front of them.
  void finish() {
    const uint32_t shift = commands_at_ + descriptors();
    for (Beat& beat : commands_) {
      const uint32_t kind = get_word(beat, 0);
      const uint32_t word = kind == operation::dump     ? uint32_t{field::dump::io_offset}
                            : kind == operation::logits ? uint32_t{field::logits::io_offset}
                                                        : 0;
      if (word != 0) set_word(beat, word, get_word(beat, word) + shift);
    }
    memory.io.assign(shift + dump_end_, zero_beat());
    std::copy(commands_.begin(), commands_.end(), memory.io.begin() + commands_at_);
  }

  const Shape s_;
  bench::Random& random_;
  std::vector<Beat> commands_;
  uint32_t stride_ = 0;
  uint32_t commands_at_ = 0;
  uint32_t dump_end_ = 0;
  uint32_t weight_end_ = 0;
};

}  // namespace cases
