#include "job_monitor.hpp"

#include <algorithm>

#include "kernels/check.hpp"

namespace accllm::emulator {
namespace {

std::uint64_t beats(const PortMemory& memory) { return memory.bytes / beat_bytes; }

std::uint64_t least_beats(const std::vector<PortMemory>& memories) {
  std::uint64_t least = ~std::uint64_t{0};
  for (const PortMemory& memory : memories) least = std::min(least, beats(memory));
  return least;
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

}  // namespace

std::optional<CallMemory> call_memory(const Invocation& call) {
  if (call.weight.empty() || call.weight.size() > max_weight_channels) return std::nullopt;
  if (call.kv.empty() || call.kv.size() > max_kv_channels) return std::nullopt;
  const CallMemory memory = {
      make_ports(call), {least_beats(call.weight), least_beats(call.kv), beats(call.table), beats(call.io)}};
  if (call.job >= memory.extents.io) return std::nullopt;
  if (!job_within(load_job(memory.ports.io[call.job]), memory.extents)) return std::nullopt;
  return memory;
}

std::uint32_t JobMonitor::before(const Descriptor& d, const Job& job) const {
  const Ports& ports = memory_.ports;
  if (cancel_.load(std::memory_order_relaxed)) return status_code::aborted;
  if (!valid_descriptor(d, ports.weight_channels)) return status_code::bad_descriptor;
  const bool within = descriptor_within(d, job, memory_.extents, ports.weight_channels, ports.kv_channels);
  return within ? status_code::ok : status_code::out_of_range;
}

void JobMonitor::after(const Descriptor& d, const Job& job, const Ports& ports, std::uint64_t* cycles) {
  cycles[d.operation()] += schedule_.cycles(d, job, ports);
}

}  // namespace accllm::emulator
