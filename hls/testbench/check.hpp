#pragma once

#include <cstdint>
#include <cstdio>

/// \file
/// What the test benches share: a check that counts, a small generator, and the closing line.

namespace bench {

inline int failures = 0;
inline int checks = 0;

inline void check(bool ok, const char* what, double found = 0.0, double expected = 0.0) {
  ++checks;
  if (ok) return;
  if (++failures <= 10) std::printf("FAIL %s: found %.9g, expected %.9g\n", what, found, expected);
}

/// xorshift64*: the same numbers on every machine.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed * 2685821657736338717ull + 1) {}
  uint32_t next() {
    state_ ^= state_ >> 12;
    state_ ^= state_ << 25;
    state_ ^= state_ >> 27;
    return static_cast<uint32_t>((state_ * 2685821657736338717ull) >> 32);
  }
  uint32_t below(uint32_t bound) { return next() % bound; }
  /// Uniform in -1 .. 1.
  float symmetric() { return static_cast<float>(static_cast<int32_t>(next())) / 2147483648.0f; }

 private:
  uint64_t state_;
};

inline int finish(const char* name) {
  std::printf("%s: %d checks, %d failed\n", name, checks, failures);
  return failures == 0 && checks > 0 ? 0 : 1;
}

}  // namespace bench
