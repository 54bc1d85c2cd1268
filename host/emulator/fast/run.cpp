#include "run.hpp"

#include <memory>

#include "../job_monitor.hpp"
#include "joined_jobs.hpp"
#include "kernels/execute.hpp"
#include "levels.hpp"

namespace accllm::emulator {
namespace fast {
namespace {

/// What execute_job needs of an engine.
struct OneJob {
  Engine& engine;
  Activations& act;
  Batch batch;

  OneJob(Engine& of, const Ports& ports, const Job& job) : engine(of), act(of.act) {
    // execute_job refuses any other number.
    if (in_range(job.tokens, limit::block_tokens)) batch.add(ports, job);
  }
};

std::uint32_t execute(const Ports& ports, const Descriptor& d, const Job&, OneJob& job) {
  return job.engine.execute(ports, d, job.batch);
}

}  // namespace

Outcome run_on(Engine& engine, const Invocation& call) {
  const std::optional<CallMemory> memory = call_memory(call);
  if (!memory) return Outcome::faulted;
  engine.bind(call);
  JobMonitor monitor(*memory, *call.cancel);
  OneJob job(engine, memory->ports, load_job(memory->ports.io[call.job]));
  const std::uint32_t code = execute_job(memory->ports, call.job, job, monitor);
  return code == status_code::aborted ? Outcome::aborted : Outcome::completed;
}

std::vector<Outcome> run_on(Engine& engine, const std::vector<const Invocation*>& calls) {
  if (calls.size() > 1) {
    JoinedJobs jobs(calls);
    if (jobs.count() > 1 && jobs.run(engine)) return std::vector<Outcome>(jobs.count(), Outcome::completed);
  }
  return {run_on(engine, *calls[0])};
}

}  // namespace fast

std::vector<Outcome> run_fast(const std::vector<const Invocation*>& calls) {
  // A device runs its jobs on one thread, which ends when the device is closed.
  static thread_local const auto engine =
      std::make_unique<fast::Engine>(fast::chosen_kernels(), fast::wanted_threads());
  return fast::run_on(*engine, calls);
}

std::uint32_t threads_of(EngineKind engine) {
  return engine == EngineKind::fast ? fast::wanted_threads() : 1;
}

}  // namespace accllm::emulator
