/// \file
/// The golden engine: the kernel's own sources on the CPU, with every access checked against the buffers and
/// with modelled cycles where a card would count them.

#include <algorithm>
#include <memory>

#include "accllm/timing.hpp"
#include "engine.hpp"
#include "extents.hpp"
#include "kernels/execute.hpp"

namespace accllm::emulator {
namespace {

std::uint64_t beats(const PortMemory& memory) { return memory.bytes / beat_bytes; }

std::uint64_t least_beats(const std::vector<PortMemory>& memories) {
  std::uint64_t least = ~std::uint64_t{0};
  for (const PortMemory& memory : memories) least = std::min(least, beats(memory));
  return memories.empty() ? 0 : least;
}

Beat* as_beats(const PortMemory& memory) { return reinterpret_cast<Beat*>(memory.data); }

Ports make_ports(const Invocation& call) {
  Ports ports = {};
  ports.weight_channels = static_cast<std::uint32_t>(call.weight.size());
  ports.kv_channels = static_cast<std::uint32_t>(call.kv.size());
  for (std::size_t i = 0; i < call.weight.size(); ++i) ports.weight[i] = as_beats(call.weight[i]);
  for (std::size_t i = 0; i < call.kv.size(); ++i) ports.kv[i] = as_beats(call.kv[i]);
  ports.table = as_beats(call.table);
  ports.io = as_beats(call.io);
  return ports;
}

/// Refuses what a buffer does not hold, ends a cancelled run between two descriptors, and counts modelled
/// cycles.
class EmulatorMonitor {
 public:
  static constexpr std::uint32_t counters = counter_source::modelled;

  EmulatorMonitor(const Ports& ports, const Extents& extents, const std::atomic<bool>& cancel)
      : ports_(ports), extents_(extents), cancel_(cancel) {}

  std::uint32_t before(const Descriptor& d, const Job& job) const {
    if (cancel_.load(std::memory_order_relaxed)) return status_code::aborted;
    if (!valid_descriptor(d, ports_.weight_channels)) return status_code::bad_descriptor;
    const bool within = descriptor_within(d, job, extents_, ports_.weight_channels, ports_.kv_channels);
    return within ? status_code::ok : status_code::out_of_range;
  }

  void after(const Descriptor& d, const Job& job, const Ports& ports, std::uint64_t* cycles) const {
    cycles[d.operation()] += timing::cycles(d, job, ports);
  }

 private:
  const Ports& ports_;
  const Extents& extents_;
  const std::atomic<bool>& cancel_;
};

}  // namespace

Outcome run_golden(const Invocation& call) {
  if (call.weight.empty() || call.weight.size() > max_weight_channels) return Outcome::faulted;
  if (call.kv.empty() || call.kv.size() > max_kv_channels) return Outcome::faulted;
  const Ports ports = make_ports(call);
  const Extents extents = {least_beats(call.weight), least_beats(call.kv), beats(call.table), beats(call.io)};
  if (call.job >= extents.io || !job_within(load_job(ports.io[call.job]), extents)) return Outcome::faulted;
  // The chip's memories hold nothing between jobs that the contract relies on; one set per thread is enough.
  static thread_local const std::unique_ptr<Chip> chip = std::make_unique<Chip>();
  EmulatorMonitor monitor(ports, extents, *call.cancel);
  const std::uint32_t code = execute_job(ports, call.job, *chip, monitor);
  return code == status_code::aborted ? Outcome::aborted : Outcome::completed;
}

}  // namespace accllm::emulator
