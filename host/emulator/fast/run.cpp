#include <memory>

#include "../job_monitor.hpp"
#include "engine.hpp"
#include "kernels/execute.hpp"
#include "levels.hpp"

namespace accllm::emulator {

Outcome fast::run_on(Engine& engine, const Invocation& call) {
  const std::optional<CallMemory> memory = call_memory(call);
  if (!memory) return Outcome::faulted;
  engine.bind(call);
  JobMonitor monitor(*memory, *call.cancel);
  const std::uint32_t code = execute_job(memory->ports, call.job, engine, monitor);
  return code == status_code::aborted ? Outcome::aborted : Outcome::completed;
}

Outcome run_fast(const Invocation& call) {
  // A device runs its jobs on one thread, which ends when the device is closed.
  static thread_local const auto engine =
      std::make_unique<fast::Engine>(fast::chosen_kernels(), fast::wanted_threads());
  return fast::run_on(*engine, call);
}

std::uint32_t threads_of(EngineKind engine) {
  return engine == EngineKind::fast ? fast::wanted_threads() : 1;
}

}  // namespace accllm::emulator
