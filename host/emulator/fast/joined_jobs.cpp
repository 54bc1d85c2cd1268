#include "joined_jobs.hpp"

#include <algorithm>

#include "kernels/execute.hpp"

namespace accllm::emulator::fast {
namespace {

bool same(const PortMemory& a, const PortMemory& b) { return a.data == b.data && a.bytes == b.bytes; }

bool unchanged(const PortMemory& a, const PortMemory& b) {
  return same(a, b) && a.generation == b.generation;
}

/// Whether two calls see the same memory. What the host wrote to io or to the cache between their starts is
/// there for both: it must not write what a run that is under way reads.
bool same_memory(const Invocation& a, const Invocation& b) {
  return unchanged(a.table, b.table) && same(a.io, b.io) &&
         std::equal(a.weight.begin(), a.weight.end(), b.weight.begin(), b.weight.end(), unchanged) &&
         std::equal(a.kv.begin(), a.kv.end(), b.kv.begin(), b.kv.end(), same);
}

bool overlap(std::uint64_t a, std::uint64_t a_beats, std::uint64_t b, std::uint64_t b_beats) {
  return a < b + b_beats && b < a + a_beats;
}

/// Whether a job's status lies where a job reads its records or commands.
bool written_over(const Job& writer, const Job& reader) {
  return overlap(writer.status_offset, status_beats, reader.input_offset,
                 std::uint64_t{reader.tokens} * reader.input_stride) ||
         overlap(writer.status_offset, status_beats, reader.command_offset, reader.command_count);
}

}  // namespace

JoinedJobs::JoinedJobs(const std::vector<const Invocation*>& calls) : first_(*calls[0]) {
  for (const Invocation* call : calls) {
    // Whoever wants results is the last.
    if (!jobs_.empty() && jobs_.back().job.first_logit < jobs_.back().job.tokens) break;
    if (!add(*call)) break;
  }
}

bool JoinedJobs::add(const Invocation& call) {
  if (!same_memory(first_, call)) return false;
  const std::optional<CallMemory> memory = call_memory(call);
  if (!memory) return false;
  const Job job = load_job(memory->ports.io[call.job]);
  if (job.abi != abi_version || !in_range(job.tokens, limit::block_tokens) || job.first_logit > job.tokens)
    return false;
  if (batch_.tokens + job.tokens > most_tokens || !continues(memory->ports, job) || !apart(job)) return false;
  jobs_.emplace_back(*memory, job, *call.cancel);
  batch_.add(memory->ports, job);
  return true;
}

bool JoinedJobs::continues(const Ports& ports, const Job& job) const {
  Batch own;
  own.add(ports, job);
  for (std::uint32_t t = 1; t < own.tokens; ++t) {
    if (own.position(t) != own.position(0) + t) return false;
  }
  if (jobs_.empty()) return true;
  const Job& before = jobs_.back().job;
  return own.position(0) == batch_.position(batch_.tokens - 1) + 1 &&
         job.command_offset == before.command_offset && job.command_count == before.command_count;
}

bool JoinedJobs::apart(const Job& job) const {
  return std::none_of(jobs_.begin(), jobs_.end(), [&](const Entry& other) {
    return written_over(other.job, job) || written_over(job, other.job) ||
           overlap(job.status_offset, status_beats, other.job.status_offset, status_beats);
  });
}

bool JoinedJobs::commands_allow() const {
  const Entry& any = jobs_.front();
  const std::uint64_t last = batch_.position(batch_.tokens - 1);
  for (std::uint32_t index = 0; index < any.job.command_count; ++index) {
    const Descriptor d = load_descriptor(any.memory.ports.io[any.job.command_offset + index]);
    if (d.operation() == operation::dump) return false;
    if (d.operation() != operation::rope_kv) continue;
    const CacheShape c = cache_shape(d, any.memory.ports.kv_channels);
    const bool fits = last < std::uint64_t{c.sinks} + c.ring ||
                      std::uint64_t{c.window} + batch_.tokens - 1 <= std::uint64_t{c.ring};
    if (!fits) return false;
  }
  return true;
}

bool JoinedJobs::run(Engine& engine) {
  if (!commands_allow()) return false;
  engine.bind(first_);
  engine.act.non_finite = false;
  const Entry& any = jobs_.front();
  const Ports& ports = any.memory.ports;
  for (std::uint32_t index = 0; index < any.job.command_count; ++index) {
    const Descriptor d = load_descriptor(ports.io[any.job.command_offset + index]);
    for (const Entry& entry : jobs_) {
      if (entry.monitor.before(d, entry.job) != status_code::ok) return false;
    }
    if (engine.execute(ports, d, batch_) != status_code::ok) return false;
    for (Entry& entry : jobs_) entry.monitor.after(d, entry.job, ports, entry.cycles);
  }
  if (engine.act.non_finite) return false;
  for (const Entry& entry : jobs_) {
    write_status(ports.io + entry.job.status_offset, status_code::ok, entry.job.command_count,
                 JobMonitor::counters, entry.cycles);
  }
  return true;
}

}  // namespace accllm::emulator::fast
