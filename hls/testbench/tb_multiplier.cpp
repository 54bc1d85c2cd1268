/// \file
/// Packed multiplications against plain products, for ALL inputs of their domains, and the widths of the
/// ports.

#include "check.hpp"
#include "dataflow/multiplier.hpp"

using namespace accel;

namespace {

/// Every code that the quantizer makes (docs/numerics.md clamps at -127; a pair of -128 would not fit B).
constexpr int lowest = -127;
constexpr int highest = 127;

static_assert(3 * lowest >= -(1 << (packed_field_bits - 1)) && 3 * highest < (1 << (packed_field_bits - 1)),
              "a product of two bits and eight fits its field");
static_assert((3 << (2 * packed_field_bits)) + 3 < (1 << (DspPorts::a_bits - 1)), "two codes fit A + D");
static_assert(highest * (1 << packed_field_bits) + highest < (1 << (DspPorts::b_bits - 1)) &&
                  lowest * (1 << packed_field_bits) + lowest >= -(1 << (DspPorts::b_bits - 1)),
              "two activations fit B");
static_assert((15 << packed_nibble_bits) + 15 < (1 << (DspPorts::a_bits - 1)), "two nibbles fit A + D");

template <class Multiplier>
void all_pairs() {
  uint32_t wrong = 0;
  for (uint32_t w0 = 0; w0 < 4; ++w0) {
    for (uint32_t w1 = 0; w1 < 4; ++w1) {
      for (int a0 = lowest; a0 <= highest; ++a0) {
        for (int a1 = lowest; a1 <= highest; ++a1) {
          const PackedProducts p = Multiplier::products(w0, w1, a0, a1);
          const int v0 = static_cast<int>(w0);
          const int v1 = static_cast<int>(w1);
          wrong += p.w0_a0 != v0 * a0 || p.w0_a1 != v0 * a1 || p.w1_a0 != v1 * a0 || p.w1_a1 != v1 * a1;
        }
      }
    }
  }
  bench::check(wrong == 0, "2 x 2 products", wrong);
}

/// One product each, all inputs.
void all_nibbles() {
  uint32_t wrong = 0;
  for (uint32_t low = 0; low < 16; ++low) {
    for (uint32_t high = 0; high < 16; ++high) {
      for (int a = lowest; a <= 255; ++a) {
        const NibbleProducts p = unpack_nibbles(dsp_multiply(pack_nibbles(low, high, a)));
        wrong += p.low != static_cast<int>(low) * a || p.high != static_cast<int>(high) * a;
      }
    }
  }
  bench::check(wrong == 0, "nibble products", wrong);
}

/// Packed sums: 64 products with int8 (keys), 16 with eight bits (values), at their extremes and at random.
void nibble_sums(int terms, int from, int to) {
  bench::Random random(7);
  uint32_t wrong = 0;
  for (int round = 0; round < 20000; ++round) {
    int64_t packed = 0;
    int low_sum = 0;
    int high_sum = 0;
    for (int i = 0; i < terms; ++i) {
      // The first four rounds are all extremes.
      const uint32_t low = round < 4 ? 15u * (round & 1u) : random.below(16);
      const uint32_t high = round < 4 ? 15u * (~round & 1u) : random.below(16);
      const int any = from + static_cast<int>(random.below(static_cast<uint32_t>(to - from + 1)));
      const int factor = round < 4 ? (round < 2 ? from : to) : any;
      packed += dsp_multiply(pack_nibbles(low, high, factor));
      low_sum += static_cast<int>(low) * factor;
      high_sum += static_cast<int>(high) * factor;
    }
    const NibbleProducts p = unpack_nibbles(packed);
    wrong += p.low != low_sum || p.high != high_sum;
  }
  bench::check(wrong == 0, "packed sums", wrong, terms);
}

}  // namespace

int main() {
  all_pairs<DspMultiplier>();
  all_pairs<LutMultiplier>();
  all_nibbles();
  nibble_sums(64, lowest, highest);
  nibble_sums(16, 0, 255);
  return bench::finish("tb_multiplier");
}
