/// \file
/// Conversions: every float16, nearest-even rounding against the C library, float32 to float16 against
/// neighbours.

#include <cmath>

#include "accllm/number.hpp"
#include "check.hpp"

using namespace accel;

namespace {

double half_value(uint32_t half) {
  const int exponent = static_cast<int>((half >> 10) & 31);
  const double fraction = half & 1023;
  const double magnitude =
      exponent == 0 ? std::ldexp(fraction, -24) : std::ldexp(1024.0 + fraction, exponent - 25);
  return (half & 0x8000u) ? -magnitude : magnitude;
}

void every_half() {
  for (uint32_t half = 0; half < 0x10000u; ++half) {
    if (((half >> 10) & 31) == 31) continue;
    const float value = from_half(half);
    bench::check(value == half_value(half), "from_half", value, half_value(half));
    bench::check(to_half(value) == (half == 0x8000u ? 0 : half), "to_half(from_half)", to_half(value), half);
  }
}

void halves_are_nearest(bench::Random& random) {
  for (int i = 0; i < 200000; ++i) {
    const float x = std::ldexp(random.symmetric(), static_cast<int>(random.below(44)) - 26);
    const uint32_t half = to_half(x);
    const double error = std::fabs(half_value(half) - x);
    const uint32_t magnitude = half & 0x7fffu;
    for (int step = -1; step <= 1; step += 2) {
      const uint32_t other = magnitude + static_cast<uint32_t>(step);
      if (other > 0x7bffu) continue;
      const double rival = std::fabs(half_value(other) - std::fabs(x));
      bench::check(error < rival || (error == rival && (magnitude & 1) == 0),
                   "to_half is nearest, ties to even", x);
    }
  }
  bench::check(to_half(1e30f) == 0x7bffu, "to_half saturates");
  bench::check(to_half(-65520.0f) == 0xfbffu, "to_half saturates below");
  bench::check(to_half(65519.0f) == 0x7bffu, "to_half below the tie");
}

void rounding(bench::Random& random) {
  for (int i = 0; i < 200000; ++i) {
    float x = std::ldexp(random.symmetric(), static_cast<int>(random.below(32)));
    if (i % 3 == 0) x = std::floor(x) + 0.5f;
    if (std::fabs(x) >= 2147483648.0f) continue;
    bench::check(round_even(x) == static_cast<int32_t>(std::nearbyint(static_cast<double>(x))), "round_even",
                 round_even(x), x);
  }
}

void exponents() {
  for (int e = -126; e <= 127; ++e) {
    bench::check(power_of_two(e) == std::ldexp(1.0f, e), "power_of_two", e);
    bench::check(exponent_of(-1.75f * power_of_two(e)) == e, "exponent_of", e);
  }
}

}  // namespace

int main() {
  bench::Random random(1);
  every_half();
  halves_are_nearest(random);
  rounding(random);
  exponents();
  return bench::finish("tb_number");
}
