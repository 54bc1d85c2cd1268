/// \file
/// exp24 against the C library over its whole range, its edges, and that it never rises as x falls.

#include <cmath>

#include "check.hpp"
#include "kernels/exp24.hpp"

int main() {
  using accel::exp24;
  uint32_t before = exp24(0.0f);
  bench::check(before == (1u << 24), "exp24(0)", before, 1 << 24);
  for (int i = 1; i <= 2000000; ++i) {
    const float x = -static_cast<float>(i) * 1e-5f;
    const uint32_t p = exp24(x);
    const double exact = std::exp(static_cast<double>(x)) * 16777216.0;
    bench::check(std::fabs(p - exact) <= 0.51 + 2e-6 * exact, "exp24 is near 2^24 e^x", p, exact);
    bench::check(p <= before, "exp24 never rises", p, before);
    before = p;
  }
  bench::check(exp24(-17.4f) == 0, "exp24 below its range");
  bench::check(exp24(-INFINITY) == 0, "exp24(-infinity)");
  bench::check(exp24(NAN) == 0, "exp24(NaN)");
  bench::check(exp24(-0.0f) == (1u << 24), "exp24(-0)");
  return bench::finish("tb_exp24");
}
