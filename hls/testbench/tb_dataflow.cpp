/// \file
/// The dataflow design against the functional kernel: whole command streams of random models, prompts and
/// single tokens, cache and io compared bit by bit after every job. Tasks run as threads on streams of the
/// true depths.

#include "run_job.hpp"

using namespace accel;

namespace {

template <class C, class Numbers, class Multiplier>
void compare(bench::RandomJob& job, const char* what) {
  bench::RandomJob functional = job;
  bench::run_functional(functional);
  bench::run_dataflow<C, Numbers, Multiplier>(job);
  bench::check(job.status_code() == functional.status_code(), what, job.status_code(),
               functional.status_code());
  bench::check(bench::same(job.io, functional.io), what);
  for (size_t c = 0; c < job.kv.size(); ++c)
    bench::check(bench::same(job.kv[c], functional.kv[c]), what, 1.0 * c);
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

/// Weights and cache in the same channels: one port serves both, the next matrix is fetched ahead of the
/// keys.
struct SharedChannels : config::tiny {
  static constexpr uint32_t first_kv_channel = 0;
  static constexpr uint32_t kv_channels = 2;
};

constexpr uint32_t both = flag::hadamard | flag::centered;

}  // namespace

int main() {
  using C = config::tiny;
  const bench::Shape shapes[] = {
      {2, 1, 128, 192, 4, 2, 32, 2, 100, 4, 20, both, {0, 0, 0, 1}, 3, true},
      {2, 1, 72, 80, 6, 1, 48, 1, 37, 3, 17, flag::centered, {1, 2, 3, 0}, 2, true},
      {2, 1, 256, 320, 2, 2, 128, 1, 50, 0, 33, flag::hadamard, {0, 1, 2, 3}, 0, false},
      {2, 1, 64, 64, 3, 3, 6, 1, 21, 1, 5, 0, {0, 0, 1, 1}, 1, false},
  };
  uint64_t seed = 11;
  for (const bench::Shape& shape : shapes) run_model<C, NativeNumbers, DspMultiplier>(shape, seed++);
  run_model<C, NativeNumbers, LutMultiplier>(shapes[0], seed++);
  bench::Shape shared = shapes[0];
  shared.kv_channels = 2;
  shared.kv_heads = 4;
  run_model<SharedChannels, NativeNumbers, DspMultiplier>(shared, seed++);
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
