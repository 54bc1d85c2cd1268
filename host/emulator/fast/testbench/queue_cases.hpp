#pragma once

#include "candidate.hpp"
#include "engine.hpp"

/// \file
/// Random queues of jobs: what the fast engine makes of several at once against golden, one after the other.
/// Most continue a sequence and want nothing but their last results; in some that is not so, and the engine
/// must notice.

namespace cases {

/// What became of the queues' jobs.
struct QueueCounts {
  uint64_t joined = 0;
  uint64_t alone = 0;
};

/// A queue as memory holds it.
class Queue {
 public:
  static constexpr uint32_t most_jobs = 5;

  Queue(const Shape& shape, bench::Random& random) : random_(random), builder_(shape, random, most_jobs) {}

  /// Writes the jobs of a queue that begins at `position`. \return the position behind it.
  uint32_t write(uint32_t position) {
    jobs_ = 1 + random_.below(most_jobs);
    const uint32_t wanted_in = random_.below(4) == 0 ? random_.below(jobs_) : jobs_ - 1;
    // A job that goes back over what those before it wrote, or leaves something out.
    const uint32_t odd_one = random_.below(4) == 0 ? random_.below(jobs_) : jobs_;
    const uint32_t start = position;
    for (uint32_t job = 0; job < jobs_; ++job) {
      uint32_t tokens = random_.below(3) == 0 ? limit::block_tokens : 1 + random_.below(8);
      if (job == odd_one && random_.below(2) == 0) {
        position = start;
        tokens = 1;
      } else if (job == odd_one) {
        position += 3;
      }
      builder_.write_job(position, tokens, job == wanted_in ? random_.below(tokens + 1) : tokens, job);
      position += tokens;
    }
    return position;
  }

  Memory& memory() { return builder_.memory; }
  uint32_t jobs() const { return jobs_; }
  Invocation call(Memory& memory, uint64_t generation, const std::atomic<bool>& cancel, uint32_t job) const {
    return memory.invocation(generation, cancel, builder_.job_at(job));
  }

 private:
  bench::Random& random_;
  Builder builder_;
  uint32_t jobs_ = 0;
};

/// Runs the queue on a candidate, as a compute unit does that has all of it.
inline void run_queue(const Queue& queue, Memory& memory, uint64_t generation, Candidate& candidate,
                      QueueCounts& counts) {
  const std::atomic<bool> cancel{false};
  std::vector<Invocation> calls;
  for (uint32_t job = 0; job < queue.jobs(); ++job)
    calls.push_back(queue.call(memory, generation, cancel, job));
  for (size_t ended = 0; ended < calls.size();) {
    std::vector<const Invocation*> left;
    for (size_t i = ended; i < calls.size(); ++i) left.push_back(&calls[i]);
    const size_t now = accllm::emulator::fast::run_on(*candidate.engine, left).size();
    (now > 1 ? counts.joined : counts.alone) += now;
    ended += now;
  }
}

/// A few queues of one random model.
inline void run_queue_case(uint64_t seed, std::vector<Candidate>& candidates, QueueCounts& counts) {
  bench::Random random(seed ^ 0x5eed);
  Shape shape = random_shape(random);
  shape.dumps = random.below(10) == 0;
  Queue queue(shape, random);
  const std::atomic<bool> cancel{false};
  std::vector<Memory> memories(candidates.size(), queue.memory());
  uint32_t position = random.below(4) == 0 ? random.below(3000000) : 0;
  for (uint32_t round = 0; round < 2; ++round) {
    position = queue.write(position);
    const std::vector<Beat> input = queue.memory().io;
    for (uint32_t job = 0; job < queue.jobs(); ++job)
      accllm::emulator::run_golden(queue.call(queue.memory(), seed + 1, cancel, job));
    for (size_t i = 0; i < candidates.size(); ++i) {
      Candidate& candidate = candidates[i];
      memories[i].io = input;
      run_queue(queue, memories[i], seed + 1, candidate, counts);
      if (same_outputs(memories[i], queue.memory())) continue;
      if (++candidate.mismatches <= 3) print_shape(candidate.kernels->name, shape, seed);
      return;
    }
  }
}

}  // namespace cases
