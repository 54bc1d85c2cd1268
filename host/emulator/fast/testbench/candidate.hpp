#pragma once

#include <cstring>
#include <memory>
#include <vector>

#include "fast/levels.hpp"
#include "fast/run.hpp"
#include "random_model.hpp"

namespace cases {

/// A level under test.
struct Candidate {
  const accllm::emulator::fast::Kernels* kernels;
  std::unique_ptr<accllm::emulator::fast::Engine> engine;
  uint64_t descriptors = 0;
  uint64_t mismatches = 0;
};

inline bool same(const std::vector<accel::Beat>& a, const std::vector<accel::Beat>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(accel::Beat)) == 0;
}

/// Whether all that a kernel writes is the same.
inline bool same_outputs(const Memory& a, const Memory& b) {
  bool equal = same(a.io, b.io);
  for (size_t k = 0; k < a.kv.size(); ++k) equal = equal && same(a.kv[k], b.kv[k]);
  return equal;
}

inline void print_shape(const char* level, const Shape& s, uint64_t seed) {
  std::printf(
      "FAIL %s: seed %llu hidden %u intermediate %u heads %u/%u x %u sinks %u window %u ring %u format %u "
      "hadamard %d centered %d\n",
      level, static_cast<unsigned long long>(seed), s.hidden, s.intermediate, s.heads, s.kv_heads, s.head_dim,
      s.sinks, s.window, s.ring, s.format, s.hadamard, s.centered);
}

}  // namespace cases
