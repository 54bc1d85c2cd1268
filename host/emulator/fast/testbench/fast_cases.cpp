/// \file
/// The fast engine against the golden one, bit for bit: random layers with every activation dumped, on every
/// level that this machine has, alternating numbers of threads, and queues of jobs. Prints a line a level.
///   fast_cases [descriptors per level, default 10000] [seed]

#include <cstdlib>

#include "level_avx512_software.hpp"
#include "queue_cases.hpp"

namespace emulator = accllm::emulator;
using cases::Candidate;
using cases::Memory;

namespace {

uint64_t finite_jobs = 0;
uint64_t non_finite_jobs = 0;

/// Says which case differs, and where first.
void report(const char* level, const cases::Shape& s, uint64_t seed, const Memory& found,
            const Memory& expected) {
  cases::print_shape(level, s, seed);
  const uint32_t commands = accel::get_word(expected.io[0], accel::job_field::command_offset);
  const uint32_t count = accel::get_word(expected.io[0], accel::job_field::command_count);
  for (uint32_t c = 0; c < count; ++c) {
    const accel::Descriptor d = accel::load_descriptor(expected.io[commands + c]);
    if (d.operation() != accel::operation::dump) continue;
    const uint32_t at = d.field(accel::field::dump::io_offset);
    const uint32_t beats = d.field(accel::field::dump::row_beats) * accel::limit::block_tokens;
    if (std::memcmp(&found.io[at], &expected.io[at], size_t{beats} * accel::beat_bytes) == 0) continue;
    std::printf("  first difference: dump of buffer %u, descriptor %u\n", d.field(accel::field::dump::buffer),
                c);
    return;
  }
}

/// One random layer, several jobs long, on golden and on every candidate.
void run_case(uint64_t seed, std::vector<Candidate>& candidates) {
  bench::Random random(seed);
  const cases::Shape shape = cases::random_shape(random);
  cases::Builder builder(shape, random);
  const std::atomic<bool> cancel{false};
  std::vector<Memory> memories(candidates.size(), builder.memory);
  uint32_t position = random.below(4) == 0 ? random.below(3000000) : 0;
  for (uint32_t job = 0; job < 5; ++job) {
    const uint32_t tokens = random.below(2) == 0 ? 1 : 1 + random.below(accel::limit::block_tokens);
    builder.write_job(position, tokens);
    position += tokens;
    const std::vector<accel::Beat> input = builder.memory.io;
    const emulator::Outcome outcome = emulator::run_golden(builder.memory.invocation(seed + 1, cancel));
    const uint32_t code = accel::get_word(builder.memory.io[1], accel::status_field::code);
    if (outcome != emulator::Outcome::completed ||
        (code != accel::status_code::ok && code != accel::status_code::non_finite)) {
      std::printf("FAIL golden: seed %llu ended with status %u\n", static_cast<unsigned long long>(seed),
                  code);
      std::exit(1);
    }
    (code == accel::status_code::ok ? finite_jobs : non_finite_jobs)++;
    for (size_t i = 0; i < candidates.size(); ++i) {
      Candidate& candidate = candidates[i];
      Memory& memory = memories[i];
      memory.io = input;
      emulator::fast::run_on(*candidate.engine, memory.invocation(seed + 1, cancel));
      candidate.descriptors += builder.descriptors();
      if (cases::same_outputs(memory, builder.memory)) continue;
      if (++candidate.mismatches <= 3) report(candidate.kernels->name, shape, seed, memory, builder.memory);
      return;
    }
  }
}

/// The library's levels, and the one that only this program has.
std::vector<emulator::fast::Level> tested_levels() {
  std::vector<emulator::fast::Level> levels = emulator::fast::levels();
#if defined(__x86_64__)
  levels.push_back({&emulator::fast::avx512_software_kernels, __builtin_cpu_supports("avx2") != 0});
#endif
  return levels;
}

}  // namespace

int main(int argc, char** argv) {
  const uint64_t wanted = argc > 1 ? std::strtoull(argv[1], nullptr, 10) : 10000;
  const uint64_t first = argc > 2 ? std::strtoull(argv[2], nullptr, 10) : 1;
  std::vector<Candidate> candidates;
  for (const emulator::fast::Level& level : tested_levels()) {
    if (!level.available) {
      std::printf("%s: not on this machine\n", level.kernels->name);
      continue;
    }
    const uint32_t threads = 1 + static_cast<uint32_t>(candidates.size()) % 3;
    candidates.push_back({level.kernels, std::make_unique<emulator::fast::Engine>(*level.kernels, threads)});
  }
  const auto enough = [&] {
    for (const Candidate& c : candidates) {
      if (c.descriptors < wanted && c.mismatches == 0) return false;
    }
    return true;
  };
  cases::QueueCounts queues;
  for (uint64_t seed = first; !enough(); ++seed) {
    run_case(seed, candidates);
    cases::run_queue_case(seed, candidates, queues);
  }
  bool passed = true;
  for (const Candidate& c : candidates) {
    std::printf("%s: %llu descriptors, %llu mismatches, %u threads\n", c.kernels->name,
                static_cast<unsigned long long>(c.descriptors), static_cast<unsigned long long>(c.mismatches),
                c.engine->threads());
    passed = passed && c.mismatches == 0;
  }
  std::printf("jobs: %llu finite, %llu not\n", static_cast<unsigned long long>(finite_jobs),
              static_cast<unsigned long long>(non_finite_jobs));
  std::printf("queues: %llu jobs joined, %llu alone\n", static_cast<unsigned long long>(queues.joined),
              static_cast<unsigned long long>(queues.alone));
  return passed && finite_jobs > non_finite_jobs ? 0 : 1;
}
