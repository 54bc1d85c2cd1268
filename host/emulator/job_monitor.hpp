#pragma once

#include <optional>

#include "accllm/ports.hpp"
#include "accllm/timing.hpp"
#include "engine.hpp"
#include "extents.hpp"

namespace accllm::emulator {

/// The ports of a call and what their buffers hold.
struct CallMemory {
  Ports ports;
  Extents extents;
};

/// Nothing where a port is missing or the job's own regions lie outside io.
std::optional<CallMemory> call_memory(const Invocation& call);

/// Refuses what a buffer does not hold, ends a cancelled run between two descriptors, and counts modelled
/// cycles where a card would count them. One monitor a job.
class JobMonitor {
 public:
  static constexpr std::uint32_t counters = counter_source::modelled;

  JobMonitor(const CallMemory& memory, const std::atomic<bool>& cancel) : memory_(memory), cancel_(cancel) {}

  std::uint32_t before(const Descriptor& d, const Job& job) const;
  void after(const Descriptor& d, const Job& job, const Ports& ports, std::uint64_t* cycles);

 private:
  const CallMemory& memory_;
  const std::atomic<bool>& cancel_;
  timing::Schedule schedule_;
};

}  // namespace accllm::emulator
