/// \file
/// The golden engine: the kernel's own sources on the CPU, with every access checked against the buffers.

#include <memory>

#include "engine.hpp"
#include "job_monitor.hpp"
#include "kernels/execute.hpp"

namespace accllm::emulator {

Outcome run_golden(const Invocation& call) {
  const std::optional<CallMemory> memory = call_memory(call);
  if (!memory) return Outcome::faulted;
  // The chip's memories hold nothing between jobs that the contract relies on; one set per thread is enough.
  static thread_local const std::unique_ptr<Chip> chip = std::make_unique<Chip>();
  JobMonitor monitor(*memory, *call.cancel);
  const std::uint32_t code = execute_job(memory->ports, call.job, *chip, monitor);
  return code == status_code::aborted ? Outcome::aborted : Outcome::completed;
}

}  // namespace accllm::emulator
