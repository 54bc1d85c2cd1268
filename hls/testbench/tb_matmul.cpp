/// \file
/// Every weight format on random bits, against a decoder of its own that reads the layout of docs/numerics.md
/// bit by bit.

#include <cmath>
#include <memory>
#include <vector>

#include "check.hpp"
#include "kernels/matmul.hpp"

using namespace accel;

namespace {

struct Case {
  uint32_t format;
  uint32_t rows;
  uint32_t columns;
  uint32_t channels;
  uint32_t tokens;
};

uint32_t bit_field(const std::vector<uint8_t>& bytes, size_t bit, uint32_t width) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < width; ++i) value |= ((bytes[(bit + i) / 8] >> ((bit + i) % 8)) & 1u) << i;
  return value;
}

std::vector<uint8_t> random_channel(const MatrixShape& m, bench::Random& random) {
  std::vector<uint8_t> bytes(size_t{m.beats} * 64);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(random.next());
  for (uint32_t tile = 0; tile < m.tiles; ++tile) {
    const size_t run = tile / 16 * size_t{16 * m.tile_beats + 1};
    for (uint32_t row = 0; row < 4; ++row) {
      bytes[run * 64 + 4 * (tile % 16) + row] = static_cast<uint8_t>(random.below(60) - 40);
    }
    if (!m.sparse) continue;
    // Position codes of an image are always below 6 x 6 x 6, and below 6 for the last quad.
    for (uint32_t g = 0; g < m.groups; ++g) {
      for (uint32_t row = 0; row < 4; ++row) {
        uint8_t* unit = &bytes[(run + 1 + (tile % 16) * m.tile_beats + g) * 64 + row * 16];
        for (uint32_t i = 8; i < 13; ++i) unit[i] = static_cast<uint8_t>(unit[i] % 216);
        unit[13] = static_cast<uint8_t>((unit[13] & ~7u) | (unit[13] & 7u) % 6);
      }
    }
  }
  return bytes;
}

/// Doubled, zero-corrected weights of one row's group, dropped ones 0; returns m.
uint32_t decode_group(const std::vector<uint8_t>& bytes, const MatrixShape& m, size_t tile_beat, uint32_t row,
                      uint32_t g, int (&weight)[64]) {
  static const int kept[6][2] = {{0, 1}, {0, 2}, {0, 3}, {1, 2}, {1, 3}, {2, 3}};
  for (int& w : weight) w = 0;
  if (m.sparse) {
    const size_t unit = (tile_beat + g) * 512 + row * 128;
    const int zero = static_cast<int>(bit_field(bytes, unit + 108, 4));
    for (uint32_t quad = 0; quad < 16; ++quad) {
      uint32_t pattern = bit_field(bytes, unit + 104, 3);
      if (quad < 15) {
        pattern = bit_field(bytes, unit + 64 + 8 * (quad / 3), 8);
        for (uint32_t i = 0; i < quad % 3; ++i) pattern /= 6;
        pattern %= 6;
      }
      for (uint32_t j = 0; j < 2; ++j) {
        const int code = static_cast<int>(bit_field(bytes, unit + 4 * quad + 2 * j, 2));
        weight[4 * quad + static_cast<uint32_t>(kept[pattern][j])] = 2 * code - zero;
      }
    }
    return bit_field(bytes, unit + 112, 16);
  }
  const uint32_t planes = m.planes;
  const size_t scales = tile_beat + g / 6 * (6 * planes + 1);
  const size_t codes = scales + 1 + g % 6 * planes;
  const uint32_t entry = 4 * (g % 6) + row;
  int zero = static_cast<int>(bit_field(bytes, scales * 512 + 384 + 5 * entry, 5));
  if (planes == 4) zero *= 16;
  for (uint32_t i = 0; i < 64; ++i) {
    int code = 0;
    for (uint32_t p = 0; p < planes; ++p) {
      code += static_cast<int>(bit_field(bytes, (codes + p) * 512 + row * 128 + 2 * i, 2)) << (2 * p);
    }
    weight[i] = 2 * code - zero;
  }
  return bit_field(bytes, scales * 512 + 16 * entry, 16);
}

void run(const Case& c, Activations& act, bench::Random& random) {
  Descriptor d = {};
  d.words[field::matmul::rows] = c.rows;
  d.words[field::matmul::columns] = c.columns;
  d.words[field::matmul::format] = c.format;
  d.words[field::matmul::weight_offset] = 2;
  const MatrixShape m = matrix_shape(d, c.channels);
  std::vector<std::vector<uint8_t>> bytes;
  std::vector<std::vector<Beat>> beats;
  Ports ports = {};
  ports.weight_channels = c.channels;
  for (uint32_t channel = 0; channel < c.channels; ++channel) {
    bytes.push_back(random_channel(m, random));
    beats.emplace_back(m.beats + 2, zero_beat());
    for (uint32_t b = 0; b < m.beats; ++b) {
      for (uint32_t w = 0; w < 16; ++w)
        set_word(beats[channel][b + 2], w, bit_field(bytes[channel], (size_t{b} * 16 + w) * 32, 32));
    }
  }
  for (uint32_t channel = 0; channel < c.channels; ++channel) ports.weight[channel] = beats[channel].data();
  for (uint32_t t = 0; t < c.tokens; ++t) {
    act.a_scale[t] = 0.01f + static_cast<float>(random.below(1000)) / 777.0f;
    for (uint32_t i = 0; i < m.groups * 64; ++i) {
      act.a[t][i] =
          i < c.columns ? static_cast<int8_t>(static_cast<int>(random.below(255)) - 127) : int8_t{0};
    }
  }
  std::vector<float> found(size_t{c.tokens} * c.rows, NAN);
  matmul(ports, m, act, 0, c.tokens,
         [&](uint32_t t, uint32_t row, float y) { found[size_t{t} * c.rows + row] = y; });
  for (uint32_t r = 0; r < c.rows; ++r) {
    const uint32_t channel = r / 4 % c.channels;
    const uint32_t tile = r / 4 / c.channels;
    const size_t run_beat = tile / 16 * size_t{16 * m.tile_beats + 1};
    const size_t tile_beat = run_beat + 1 + (tile % 16) * m.tile_beats;
    const int e = static_cast<int8_t>(bytes[channel][run_beat * 64 + 4 * (tile % 16) + r % 4]);
    std::vector<double> sums(c.tokens, 0.0);
    for (uint32_t g = 0; g < m.groups; ++g) {
      int weight[64];
      const double scale = decode_group(bytes[channel], m, tile_beat, r % 4, g, weight);
      for (uint32_t t = 0; t < c.tokens; ++t) {
        double dot = 0;
        for (uint32_t i = 0; i < 64; ++i) dot += weight[i] * act.a[t][g * 64 + i];
        sums[t] += scale * dot;
      }
    }
    for (uint32_t t = 0; t < c.tokens; ++t) {
      const float expected = static_cast<float>(sums[t]) * std::ldexp(act.a_scale[t], e - 1);
      bench::check(found[size_t{t} * c.rows + r] == expected, "matmul", found[size_t{t} * c.rows + r],
                   expected);
    }
  }
}

}  // namespace

int main() {
  bench::Random random(7);
  const auto act = std::make_unique<Activations>();
  for (uint32_t format = 0; format < 4; ++format) {
    run({format, 1, 4, 1, 1}, *act, random);
    run({format, 105, 172, 2, 3}, *act, random);
    run({format, 300, 64 * 13, 3, 1}, *act, random);
    run({format, 130, 4096, 28, 16}, *act, random);
  }
  return bench::finish("tb_matmul");
}
