/// \file
/// The stated depths are needed: with one of them cut the design stops, and the message names the stream.

#include <string>

#include "run_job.hpp"

using namespace accel;

namespace {

struct Whole : config::tiny {
  static constexpr uint32_t first_kv_channel = 0;
  static constexpr uint32_t kv_channels = 2;
};
struct CutQueries : Whole {};
struct CutScores : Whole {};

}  // namespace

template <>
struct accel::dataflow::Depth<CutQueries> : Depth<Whole> {
  static constexpr uint32_t queries = 1;
};
template <>
struct accel::dataflow::Depth<CutScores> : Depth<Whole> {
  static constexpr uint32_t scores = 8;
};

namespace {

template <class C>
std::string deadlock_of() {
  constexpr uint32_t flags = flag::hadamard | flag::centered;
  bench::RandomJob job({2, 2, 128, 192, 4, 4, 64, 1, 64, 4, 40, flags, {0, 0, 0, 0}, 0, true, false}, 3);
  job.job(2, 60, 1);
  try {
    bench::run_dataflow<C, NativeNumbers>(job);
  } catch (const sim::Deadlock& deadlock) {
    return deadlock.what();
  }
  return "";
}

void expect(const std::string& message, const char* part) {
  bench::check(message.find(part) != std::string::npos, (std::string(part) + " in " + message).c_str());
}

}  // namespace

int main() {
  const std::string whole = deadlock_of<Whole>();
  bench::check(whole.empty(), whole.c_str());
  expect(deadlock_of<CutQueries>(), "stage 'engine 0' waits, stream 'queries 0' full (depth 1)");
  expect(deadlock_of<CutScores>(), "stage 'score 0' waits, stream 'scores 0' full (depth 8)");
  return bench::finish("tb_depth");
}
