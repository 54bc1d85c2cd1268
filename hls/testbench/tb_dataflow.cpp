/// \file
/// The dataflow design against the functional kernel: whole command streams of random models, prompts and
/// single tokens, cache and io compared bit by bit after every job. Tasks run as threads on streams of the
/// true depths.

#include <cstring>
#include <memory>

#include "check.hpp"
#include "dataflow/design.hpp"
#include "kernels/execute.hpp"
#include "random_job.hpp"

using namespace accel;

namespace {

struct NoMonitor {
  static constexpr uint32_t counters = counter_source::none;
  uint32_t before(const Descriptor&, const Job&) { return status_code::ok; }
  void after(const Descriptor&, const Job&, const Ports&, uint64_t*) {}
};

bool same(const std::vector<Beat>& a, const std::vector<Beat>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    for (uint32_t w = 0; w < beat_words; ++w) {
      if (get_word(a[i], w) != get_word(b[i], w)) return false;
    }
  }
  return true;
}

void run_functional(bench::RandomJob& job) {
  static const auto chip = std::make_unique<Chip>();
  Ports ports = {};
  ports.weight_channels = static_cast<uint32_t>(job.weights.size());
  ports.kv_channels = static_cast<uint32_t>(job.kv.size());
  for (size_t c = 0; c < job.weights.size(); ++c) ports.weight[c] = job.weights[c].data();
  for (size_t c = 0; c < job.kv.size(); ++c) ports.kv[c] = job.kv[c].data();
  ports.table = job.table.data();
  ports.io = job.io.data();
  NoMonitor monitor;
  execute_job(ports, 0, *chip, monitor);
}

template <class C, class Numbers, class Multiplier>
void run_dataflow(bench::RandomJob& job) {
  static const auto chip = std::make_unique<dataflow::EngineMemory<C>>();
  const auto wires = std::make_unique<dataflow::Wires<C, Numbers>>();
  std::vector<const Beat*> weights;
  std::vector<Beat*> kv;
  for (const std::vector<Beat>& channel : job.weights) weights.push_back(channel.data());
  for (std::vector<Beat>& channel : job.kv) kv.push_back(channel.data());
  const dataflow::Memories memory = {weights.data(), kv.data(), job.table.data(), job.io.data()};
  dataflow::run_job<C, Numbers, Multiplier>(memory, 0, *chip, *wires);
}

template <class C, class Numbers, class Multiplier>
void compare(bench::RandomJob& job, const char* what) {
  bench::RandomJob functional = job;
  run_functional(functional);
  run_dataflow<C, Numbers, Multiplier>(job);
  bench::check(job.status_code() == functional.status_code(), what, job.status_code(),
               functional.status_code());
  bench::check(same(job.io, functional.io), what);
  for (size_t c = 0; c < job.kv.size(); ++c) bench::check(same(job.kv[c], functional.kv[c]), what, 1.0 * c);
}

template <class C, class Numbers, class Multiplier>
void run_model(const bench::Shape& shape, uint64_t seed) {
  bench::RandomJob job(shape, seed);
  job.job(5, 0, 4);
  compare<C, Numbers, Multiplier>(job, "prompt");
  bench::check(job.status_code() == status_code::ok, "prompt runs", job.status_code());
  job.job(1, 5, 0);
  compare<C, Numbers, Multiplier>(job, "token");
  // Past the end of the window, across the end of the ring.
  job.job(3, shape.sinks + 2 * (shape.window + 15) - 1, 1);
  compare<C, Numbers, Multiplier>(job, "wrapped");
}

constexpr uint32_t both = flag::hadamard | flag::centered;

}  // namespace

int main() {
  using C = config::tiny;
  const bench::Shape shapes[] = {
      {2, 1, 128, 192, 4, 2, 32, 2, 100, 4, 20, both, {0, 0, 0, 1}, 3},
      {2, 1, 72, 80, 6, 1, 48, 1, 37, 3, 17, flag::centered, {1, 2, 3, 0}, 2},
      {2, 1, 256, 320, 2, 2, 128, 1, 50, 0, 33, flag::hadamard, {0, 1, 2, 3}, 0},
      {2, 1, 64, 64, 3, 3, 6, 1, 21, 1, 5, 0, {0, 0, 1, 1}, 1},
  };
  uint64_t seed = 11;
  for (const bench::Shape& shape : shapes) run_model<C, NativeNumbers, DspMultiplier>(shape, seed++);
  run_model<C, NativeNumbers, LutMultiplier>(shapes[0], seed++);
#ifdef ACCLLM_AP_INT
  run_model<C, ExactNumbers, DspMultiplier>(shapes[0], seed++);
#endif

  // What is refused, and how far a job came.
  bench::RandomJob job(shapes[0], seed++);
  job.job(2, 0, 1);
  set_word(job.command(3), field::matmul::rows, C::head_elements + 1);
  compare<C, NativeNumbers, DspMultiplier>(job, "bad descriptor");
  bench::check(job.status_code() == status_code::bad_descriptor, "bad descriptor is told", job.status_code());
  job.job(2, 0, 1);
  set_word(job.record(1), token_field::token, 100);
  compare<C, NativeNumbers, DspMultiplier>(job, "bad token");
  bench::check(job.status_code() == status_code::bad_job, "bad token is told", job.status_code());
  return bench::finish("tb_dataflow");
}
