/// \file
/// The processing elements in Verilog (hls/rtl), bit by bit against the C++ they stand for: multipliers for
/// all inputs, banks for random ones and extremes. Built by Verilator.

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

void tick_banks(Vrtl_top& top) {
  top.bank_clk = 0;
  top.eval();
  top.bank_clk = 1;
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
        }
        // The LUTs take one cycle.
        wrong += field(top.lut_products, 0, 10) != expected[0].p[0];
        wrong += field(top.lut_products, 10, 10) != expected[0].p[3];
      }
    }
  }
  bench::check(wrong == 0, "multipliers, all inputs", wrong);
  bench::check(index == 16u * 255 * 255, "all inputs were there", index);
}

/// The same multiplier on codes of four bits and a factor: the whole result, which is summed before it is
/// unpacked.
void check_nibbles(Vrtl_top& top) {
  constexpr int latency = 2;
  int64_t expected[latency + 1] = {};
  uint32_t wrong = 0;
  uint32_t index = 0;
  top.a1 = 0;
  for (uint32_t codes = 0; codes < 256; ++codes) {
    for (int factor = -127; factor <= 255; ++factor, ++index) {
      top.nibble_low = codes & 15;
      top.nibble_high = codes >> 4;
      top.factor = static_cast<uint16_t>(factor & 0x3ff);
      for (int i = latency; i > 0; --i) expected[i] = expected[i - 1];
      expected[0] = dsp_multiply(pack_nibbles(codes & 15, codes >> 4, factor));
      tick(top);
      if (index < latency) continue;
      const auto found = static_cast<int64_t>(static_cast<uint64_t>(top.nibble_product) << 19) >> 19;
      wrong += found != expected[latency - 1];
    }
  }
  bench::check(wrong == 0, "multiplier, all codes of four bits", wrong);
}

/// Operands of one multiplier for matrices, keys and values.
void check_operands(Vrtl_top& top, bench::Random& random) {
  const auto signed10 = [](uint32_t a) { return static_cast<uint32_t>(static_cast<int8_t>(a)) & 0x3ffu; };
  for (int round = 0; round < 20000; ++round) {
    top.mode = random.below(4);
    top.weights = random.below(16);
    top.input0 = random.below(256);
    top.key_low = random.below(256);
    top.key_high = random.below(256);
    top.query = random.below(65536);
    top.value = random.below(256);
    top.weight = random.below(256);
    top.eval();
    const uint32_t half = top.mode == 3 ? 1 : 0;
    const uint32_t lows[4] = {top.weights & 3u, top.key_low & 15u, top.value & 15u,
                              uint32_t{top.key_low} >> 4};
    const uint32_t highs[4] = {uint32_t{top.weights} >> 2 << 2, top.key_high & 15u, uint32_t{top.value} >> 4,
                               uint32_t{top.key_high} >> 4};
    const uint32_t q = signed10(top.query >> (8 * half) & 255u);
    const uint32_t factors[4] = {signed10(top.input0), q, top.weight, q};
    bench::check(top.low == lows[top.mode] && top.high == highs[top.mode] && top.factor0 == factors[top.mode],
                 "operands", top.mode, round);
  }
}

void check_decoder(Vrtl_top& top) {
  top.dense = 0;
  for (uint32_t code = 0; code < 256; ++code) {
    Beat beat = zero_beat();
    for (uint32_t row = 0; row < tile_rows; ++row) {
      for (uint32_t byte = 0; byte < 6; ++byte) set_bits(beat, row * unit_bits + 64 + 8 * byte, 8, code);
    }
    for (uint32_t w = 0; w < 16; ++w) top.beat[w] = get_word(beat, w);
    top.eval();
    SparseUnit unit;
    decode_sparse(beat, 0, unit);
    for (uint32_t q = 0; q < group_size / 4; ++q) {
      // The sixteenth quad has three bits, of which the values 6 and 7 do not occur.
      if (q == 15 && (code & 7) > 5) continue;
      const uint32_t first = top.first[q / 16] >> (2 * q % 32) & 3;
      const uint32_t second = top.second[q / 16] >> (2 * q % 32) & 3;
      bench::check(4 * q + first == unit.input[2 * q] && 4 * q + second == unit.input[2 * q + 1], "positions",
                   code, q);
    }
  }
}

/// What multiply_beat makes of a beat.
struct Sums {
  bool sparse;
  dataflow::PlaneSums<NativeNumbers> sums;
};

Sums model(bool sparse, const Beat& beat, const dataflow::ActivationPair& x) {
  SparseUnit units[tile_rows];
  for (uint32_t row = 0; row < tile_rows; ++row) decode_sparse(beat, row, units[row]);
  Sums out;
  out.sparse = sparse;
  dataflow::multiply_beat<NativeNumbers, LutMultiplier>(sparse, beat, units, x, out.sums);
  return out;
}

/// A second bank without its clock keeps what it had, whatever arrives.
void check_gate(Vrtl_top& top, bench::Random& random) {
  top.second_enable = 0;
  tick_banks(top);
  const uint64_t products = top.products1;
  const uint64_t kept = top.kept1;
  for (int i = 0; i < 50; ++i) {
    for (uint32_t w = 0; w < 16; ++w) top.token1[w] = random.next();
    tick_banks(top);
    bench::check(top.products1 == products && top.kept1 == kept, "a stopped bank", i);
  }
}

void check_banks(Vrtl_top& top, bench::Random& random) {
  constexpr int latency = 8;
  Sums expected[latency] = {};
  top.second_enable = 1;
  for (int index = 0; index < 4000; ++index) {
    // Runs of either kind, as matrices come.
    const bool sparse = index / 50 % 2 == 0;
    Beat beat;
    for (uint32_t w = 0; w < 16; ++w) set_word(beat, w, random.next());
    // Bytes of base 6 and the last quad's three bits, as an image has them.
    for (uint32_t row = 0; sparse && row < tile_rows; ++row) {
      for (uint32_t byte = 0; byte < 5; ++byte) {
        set_bits(beat, row * unit_bits + 64 + 8 * byte, 8, random.below(216));
      }
      set_bits(beat, row * unit_bits + 104, 3, random.below(6));
    }
    dataflow::ChainBeat tokens;
    for (uint32_t t = 0; t < 2; ++t) {
      // Every fourth vector is all extremes.
      for (uint32_t i = 0; i < group_size; ++i) {
        const int any = static_cast<int>(random.below(255)) - 127;
        const int a = index % 4 != 0 ? any : (any < 0 ? -127 : 127);
        set_bits(tokens.token[t], 8 * i, 8, static_cast<uint8_t>(a));
      }
    }
    if (!sparse) tokens.token[1] = tokens.token[0];
    top.dense = sparse ? 0 : 1;
    for (uint32_t w = 0; w < 16; ++w) {
      top.beat[w] = get_word(beat, w);
      top.token0[w] = get_word(tokens.token[0], w);
      top.token1[w] = get_word(tokens.token[1], w);
    }
    for (int i = latency - 1; i > 0; --i) expected[i] = expected[i - 1];
    expected[0] = model(sparse, beat, dataflow::unpack_activations(tokens));
    tick_banks(top);
    if (index < latency) continue;
    const Sums& then = expected[latency - 1];
    const uint64_t products[2] = {top.products0, top.products1};
    const uint64_t kept[2] = {top.kept0, top.kept1};
    for (uint32_t bank = 0; bank < 2; ++bank) {
      for (uint32_t r = 0; r < (then.sparse ? tile_rows : 2); ++r) {
        const uint32_t row = then.sparse ? r : 2 * bank + r;
        const uint32_t token = then.sparse ? bank : 0;
        bench::check(field(products[bank], 16 * r, 16) == then.sums.products[row][token], "sums of a bank",
                     field(products[bank], 16 * r, 16), then.sums.products[row][token]);
        bench::check(field(kept[bank], 16 * r, 16) == then.sums.activations[row][token],
                     "activations of a bank", field(kept[bank], 16 * r, 16),
                     then.sums.activations[row][token]);
      }
    }
  }
}

/// Numbers through a region whose clock starts and stops at any time: none is lost or taken twice, and it has
/// as many clocks as it is told to run.
void check_region(Vrtl_top& top, bench::Random& random) {
  top.region_reset = 1;
  top.level_there = top.number_there = top.sum_read = 0;
  tick(top);
  tick(top);
  top.region_reset = 0;
  uint32_t clocks = top.region_clocks;
  uint32_t sent = 0;
  uint32_t told = 0;
  uint32_t taken = 0;
  uint32_t stopped = 0;
  for (int cycle = 0; cycle < 20000; ++cycle) {
    top.level_there = random.below(16) == 0;
    top.level = random.below(2);
    top.number_there = random.below(4) != 0;
    top.number = random.next();
    top.sum_read = random.below(4) != 0;
    top.eval();
    if (top.number_there && top.number_taken) sent += top.number;
    if (top.sum_read && top.sum_there) {
      told = top.sum;
      ++taken;
    }
    clocks += top.running;
    stopped += 1 - top.running;
    tick(top);
    bench::check(top.region_clocks == clocks, "clocks of a region", top.region_clocks, clocks);
  }
  bench::check(stopped > 5000 && taken > 2000, "a region that stops and works", stopped, taken);
  // What is under way comes out once the clock runs.
  top.level_there = top.level = top.sum_read = 1;
  top.number_there = 0;
  for (int cycle = 0; cycle < 50; ++cycle) {
    top.eval();
    if (top.sum_there) told = top.sum;
    tick(top);
  }
  bench::check(told == sent, "the sum of what went through a region", told, sent);
}

}  // namespace

int main() {
  const auto context = std::make_unique<VerilatedContext>();
  Vrtl_top top(context.get());
  bench::Random random(5);
  check_multipliers(top);
  check_nibbles(top);
  check_operands(top, random);
  check_decoder(top);
  check_banks(top, random);
  check_gate(top, random);
  // It works again once its clock runs.
  check_banks(top, random);
  check_region(top, random);
  return bench::finish("tb_rtl");
}
