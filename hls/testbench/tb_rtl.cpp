/// \file
/// The processing elements in Verilog (hls/rtl), bit by bit against the C++ they stand for: multipliers for
/// all inputs, rows of a beat for random ones and extremes. Built by Verilator.

#include <memory>

#include "Vrtl_top.h"
#include "check.hpp"
#include "dataflow/array.hpp"

using namespace accel;

namespace {

struct Products {
  int32_t p[4];
};

int32_t field(uint64_t word, int low, int bits) {
  return signed_field(static_cast<int64_t>(word), low, bits);
}

void tick(Vrtl_top& top) {
  top.clk = 0;
  top.eval();
  top.clk = 1;
  top.eval();
}

void tick_rows(Vrtl_top& top) {
  top.rows_clk = 0;
  top.eval();
  top.rows_clk = 1;
  top.eval();
}

void check_multipliers(Vrtl_top& top) {
  constexpr int latency = 3;
  Products expected[latency + 1] = {};
  uint32_t wrong = 0;
  uint32_t index = 0;
  for (uint32_t w = 0; w < 16; ++w) {
    for (int a0 = -127; a0 <= 127; ++a0) {
      for (int a1 = -127; a1 <= 127; ++a1, ++index) {
        const int v0 = static_cast<int>(w & 3);
        const int v1 = static_cast<int>(w >> 2);
        top.w0 = w & 3;
        top.w1 = w >> 2;
        top.a0 = static_cast<uint8_t>(a0);
        top.a1 = static_cast<uint8_t>(a1);
        for (int i = latency; i > 0; --i) expected[i] = expected[i - 1];
        expected[0] = {{v0 * a0, v0 * a1, v1 * a0, v1 * a1}};
        tick(top);
        if (index < latency) continue;
        for (int i = 0; i < 4; ++i) {
          wrong += field(top.packed_products, 10 * i, 10) != expected[latency - 1].p[i];
          wrong += field(top.lut_products, 10 * i, 10) != expected[latency - 1].p[i];
        }
      }
    }
  }
  bench::check(wrong == 0, "multipliers, all inputs", wrong);
  bench::check(index == 16u * 255 * 255, "all inputs were there", index);
}

void check_decoder(Vrtl_top& top) {
  for (uint32_t code = 0; code < 256; ++code) {
    Beat beat = zero_beat();
    set_bits(beat, 64, 8, code);
    SparseUnit unit;
    decode_sparse(beat, 0, unit);
    top.code = static_cast<uint8_t>(code);
    top.eval();
    for (uint32_t q = 0; q < 3; ++q) {
      const uint32_t first = (top.positions >> (2 * q)) & 3;
      const uint32_t second = (top.positions >> (6 + 2 * q)) & 3;
      bench::check(4 * q + first == unit.input[2 * q] && 4 * q + second == unit.input[2 * q + 1], "positions",
                   code);
    }
  }
}

struct Rows {
  int32_t sparse;
  int32_t dense[4];
};

/// What multiply_sparse and multiply_dense make of rows 0 and 1 of a beat.
Rows model(const Beat& beat, const dataflow::ActivationPair& x) {
  Rows out;
  SparseUnit units[tile_rows];
  for (uint32_t row = 0; row < tile_rows; ++row) decode_sparse(beat, row, units[row]);
  dataflow::GroupSums<NativeNumbers> sums;
  dataflow::multiply_sparse<NativeNumbers, DspMultiplier>(units, x, sums);
  out.sparse = sums.sum[0][0];
  const int32_t zero[tile_rows] = {};
  dataflow::multiply_dense<NativeNumbers, LutMultiplier>(&beat, 1, zero, x, sums);
  for (uint32_t i = 0; i < 4; ++i) out.dense[i] = sums.sum[i / 2][i % 2] / 2;
  return out;
}

void check_rows(Vrtl_top& top, bench::Random& random) {
  constexpr int sparse_latency = 8;
  constexpr int dense_latency = 7;
  constexpr int most = 9;
  Rows expected[most] = {};
  for (int index = 0; index < 4000; ++index) {
    Beat beat;
    Beat tokens[2];
    for (uint32_t w = 0; w < 16; ++w) set_word(beat, w, random.next());
    dataflow::ActivationPair x;
    for (uint32_t t = 0; t < 2; ++t) {
      // Every fourth vector is all extremes.
      for (uint32_t i = 0; i < group_size; ++i) {
        const int any = static_cast<int>(random.below(255)) - 127;
        const int a = index % 4 != 0 ? any : (any < 0 ? -127 : 127);
        set_bits(tokens[t], 8 * i, 8, static_cast<uint8_t>(a));
      }
      dataflow::unpack_activations(tokens[t], x.a[t], x.sum[t]);
    }
    for (uint32_t w = 0; w < 16; ++w) {
      top.beat[w] = get_word(beat, w);
      top.token0[w] = get_word(tokens[0], w);
      top.token1[w] = get_word(tokens[1], w);
    }
    for (int i = most - 1; i > 0; --i) expected[i] = expected[i - 1];
    expected[0] = model(beat, x);
    tick_rows(top);
    if (index < most) continue;
    const Rows& sparse = expected[sparse_latency - 1];
    bench::check(field(top.sparse_dsp, 0, 23) == sparse.sparse, "2:4 row, DSP", field(top.sparse_dsp, 0, 23),
                 sparse.sparse);
    for (int i = 0; i < 4; ++i) {
      const int32_t dense = expected[dense_latency - 1].dense[i];
      bench::check(field(top.dense_dsp, 16 * i, 16) == dense, "dense rows, DSP",
                   field(top.dense_dsp, 16 * i, 16), dense);
    }
  }
}

}  // namespace

int main() {
  const auto context = std::make_unique<VerilatedContext>();
  Vrtl_top top(context.get());
  bench::Random random(5);
  check_multipliers(top);
  check_decoder(top);
  check_rows(top, random);
  return bench::finish("tb_rtl");
}
