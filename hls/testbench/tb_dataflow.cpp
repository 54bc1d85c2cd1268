/// \file
/// The dataflow design against the functional kernel: whole command streams of random models, prompts and
/// single tokens, cache and io compared bit by bit after every job. Tasks run as threads on streams of the
/// true depths.

#include "run_job.hpp"

using namespace accel;

namespace {

/// C simulation's clock counts samples: one for every descriptor that the vector engine ended. A descriptor
/// that another took along has none of its own.
void check_samples(const bench::RandomJob& job) {
  uint64_t samples = 0;
  for (uint32_t i = 0; i < counter_count; ++i) samples += job.counter(i);
  if (job.status_code() != status_code::ok) return;
  const uint32_t layers = static_cast<uint32_t>(job.counter(operation::attend));
  bench::check(job.counter(operation::embed) == 1 && job.counter(operation::logits) == 1,
               "samples of both ends");
  bench::check(layers >= 1 && job.counter(operation::rope_kv) == layers &&
                   job.counter(operation::matmul) == 7 * layers &&
                   job.counter(operation::norm) == 2 * layers + 1,
               "samples of the layers", 1.0 * layers);
  bench::check(job.counter(operation::add) == 0 && job.counter(operation::silu_mul) == 0,
               "additions and SiLU are taken along with their matrices");
  bench::check(samples == job.commands() - 3 * layers, "one sample a descriptor", 1.0 * samples,
               1.0 * job.commands());
}

template <class C, class Numbers>
void compare(bench::RandomJob& job, const char* what) {
  bench::RandomJob functional = job;
  bench::run_functional(functional);
  bench::run_dataflow<C, Numbers>(job);
  bench::check(job.status_code() == functional.status_code(), what, job.status_code(),
               functional.status_code());
  check_samples(job);
  // The functional kernel counts nothing.
  for (uint32_t b = 1; b < status_beats; ++b) job.io[job.status + b] = functional.io[job.status + b];
  bench::check(bench::same(job.io, functional.io), what);
  for (size_t c = 0; c < job.kv.size(); ++c)
    bench::check(bench::same(job.kv[c], functional.kv[c]), what, 1.0 * c);
}

template <class C, class Numbers>
void run_model(const bench::Shape& shape, uint64_t seed) {
  bench::RandomJob job(shape, seed);
  job.job(5, 0, 4);
  compare<C, Numbers>(job, "prompt");
  bench::check(job.status_code() == status_code::ok, "prompt runs", job.status_code());
  job.job(1, 5, 0);
  compare<C, Numbers>(job, "token");
  job.job(4, 6, 4);
  compare<C, Numbers>(job, "block without logits");
  // Past the end of the window, across the end of the ring.
  job.job(3, shape.sinks + 2 * (shape.window + 15) - 1, 1);
  compare<C, Numbers>(job, "wrapped");
}

/// Weights and cache in the same channels: one port serves both, in order.
struct SharedChannels : config::tiny {
  static constexpr uint32_t first_kv_channel = 0;
  static constexpr uint32_t kv_channels = 2;
};

constexpr uint32_t both = flag::hadamard | flag::centered;

}  // namespace

int main() {
  using C = config::tiny;
  const bench::Shape shapes[] = {
      {2, 1, 128, 192, 4, 2, 64, 2, 100, 4, 20, both, {0, 0, 0, 1}, 3, true, true},
      {2, 1, 72, 80, 6, 1, 64, 1, 37, 3, 17, flag::centered, {1, 2, 3, 0}, 2, true, true},
      {2, 1, 256, 320, 2, 2, 128, 1, 50, 0, 33, flag::hadamard, {0, 1, 2, 3}, 0, false, false},
      {2, 1, 64, 64, 3, 3, 128, 1, 21, 1, 5, 0, {0, 0, 1, 1}, 1, false, true},
  };
  uint64_t seed = 11;
  for (const bench::Shape& shape : shapes) run_model<C, NativeNumbers>(shape, seed++);
  // One token's queries are one wave, and all made ahead.
  bench::Shape one_wave = shapes[1];
  one_wave.heads = 3;
  run_model<C, NativeNumbers>(one_wave, seed++);
  bench::Shape shared = shapes[0];
  shared.kv_channels = 2;
  shared.kv_heads = 4;
  shared.ends_early = false;
  run_model<SharedChannels, NativeNumbers>(shared, seed++);
  // Three heads of keys in waves of two: the last has one, and lanes without work.
  shared.heads = 6;
  shared.kv_heads = 3;
  shared.ends_early = true;
  run_model<SharedChannels, NativeNumbers>(shared, seed++);
#ifdef ACCLLM_AP_INT
  run_model<C, ExactNumbers>(shapes[0], seed++);
#endif

  // What is refused, and how far a job came.
  bench::RandomJob job(shapes[0], seed++);
  job.job(2, 0, 1);
  set_word(job.command(3), field::matmul::rows, C::head_elements + 1);
  compare<C, NativeNumbers>(job, "bad descriptor");
  bench::check(job.status_code() == status_code::bad_descriptor, "bad descriptor is told", job.status_code());
  job.job(2, 0, 1);
  set_word(job.record(1), token_field::token, 100);
  compare<C, NativeNumbers>(job, "bad token");
  bench::check(job.status_code() == status_code::bad_job, "bad token is told", job.status_code());
  return bench::finish("tb_dataflow");
}
