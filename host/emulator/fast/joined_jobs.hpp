#pragma once

#include <deque>
#include <vector>

#include "../job_monitor.hpp"
#include "batch.hpp"
#include "engine.hpp"

namespace accllm::emulator::fast {

/// Jobs in a row that can be executed as one, descriptor by descriptor for all their tokens, and leave behind
/// what they would one after the other.
///
/// That is so where each continues the sequence of the one before with the same commands, in the same memory;
/// where only the last has results that are wanted, so that none writes over another's; where the cache's
/// ring has room for all their tokens beside what the first of them attends to; and where nothing goes wrong.
class JoinedJobs {
 public:
  /// As many of the calls as can be executed as one, from the first on.
  explicit JoinedJobs(const std::vector<const Invocation*>& calls);
  JoinedJobs(const JoinedJobs&) = delete;
  JoinedJobs& operator=(const JoinedJobs&) = delete;

  std::size_t count() const { return jobs_.size(); }

  /// Executes them. \return whether it did, and wrote their statuses. Else the first is to be executed by
  /// itself, for whatever it says; what was written meanwhile is written again by its own job.
  bool run(Engine& engine);

 private:
  struct Entry {
    CallMemory memory;
    Job job;
    JobMonitor monitor;
    std::uint64_t cycles[counter_count] = {};

    Entry(const CallMemory& of, const Job& header, const std::atomic<bool>& cancel)
        : memory(of), job(header), monitor(memory, cancel) {}
  };

  /// Adds a call's job if it can be.
  bool add(const Invocation& call);
  /// Whether a job's tokens follow those of the batch, and each other.
  bool continues(const Ports& ports, const Job& job) const;
  /// Whether one job's status lies apart from what another reads.
  bool apart(const Job& job) const;
  /// Whether the commands take all tokens at once.
  bool commands_allow() const;

  const Invocation& first_;
  /// In their places: monitors point to their memory.
  std::deque<Entry> jobs_;
  Batch batch_;
};

}  // namespace accllm::emulator::fast
