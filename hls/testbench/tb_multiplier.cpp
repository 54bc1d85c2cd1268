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
static_assert(15 * 255 < (1 << (packed_nibble_bits - 1)) &&
                  (15 << packed_nibble_bits) + 15 < (1 << (DspPorts::a_bits - 1)),
              "two nibbles fit A + D, their products with 8 bits fit the fields");

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

template <class Multiplier>
void all_nibbles() {
  uint32_t wrong = 0;
  for (uint32_t low = 0; low < 16; ++low) {
    for (uint32_t high = 0; high < 16; ++high) {
      for (int a = lowest; a <= 255; ++a) {
        const NibbleProducts p = Multiplier::nibbles(low, high, a);
        wrong += p.low != static_cast<int>(low) * a || p.high != static_cast<int>(high) * a;
      }
    }
  }
  bench::check(wrong == 0, "nibble products", wrong);
}

}  // namespace

int main() {
  all_pairs<DspMultiplier>();
  all_pairs<LutMultiplier>();
  all_nibbles<DspMultiplier>();
  all_nibbles<LutMultiplier>();
  return bench::finish("tb_multiplier");
}
