#include "run.hpp"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <thread>
#include <utility>

#include "api_error.hpp"

namespace accllm::emulator {

namespace {

/// Index N of an argument named prefixN, or -1.
int channel_of(const std::string& name, const std::string& prefix) {
  if (name.size() <= prefix.size() || name.size() > prefix.size() + 3 ||
      name.compare(0, prefix.size(), prefix) != 0)
    return -1;
  const std::string digits = name.substr(prefix.size());
  if (digits.find_first_not_of("0123456789") != std::string::npos) return -1;
  return std::atoi(digits.c_str());
}

void place(std::vector<PortMemory>& channels, int channel, PortMemory memory) {
  if (channels.size() <= static_cast<std::size_t>(channel))
    channels.resize(static_cast<std::size_t>(channel) + 1, PortMemory{nullptr, 0, 0});
  channels[static_cast<std::size_t>(channel)] = memory;
}

bool spare_core(EngineKind engine) {
  static const std::uint32_t cores = std::thread::hardware_concurrency();
  return cores > threads_of(engine);
}

}  // namespace

Run::Run(std::shared_ptr<Kernel> kernel)
    : kernel_(std::move(kernel)), values_(kernel_->description().arguments.size()) {}

Run::~Run() {
  if (!execution_ || execution_->done()) return;
  execution_->cancel();
  execution_->wait();
}

void Run::set_buffer(int index, std::shared_ptr<Buffer> buffer) {
  const KernelArgument& argument = kernel_->argument(index);
  if (!argument.global) throw ApiError(EINVAL, "argument " + argument.name + " is a scalar");
  if (buffer->device() != kernel_->device())
    throw ApiError(EINVAL, "the buffer for argument " + argument.name + " belongs to another device");
  // XRT's C API passes any address on, and the port then reads an address that does not exist for it.
  const auto reachable = [&](std::uint32_t group) {
    const MemoryEntry& memory = kernel_->design()->xclbin.groups[group];
    return buffer->address() >= memory.base && buffer->address() - memory.base < memory.bytes;
  };
  if (std::none_of(argument.groups.begin(), argument.groups.end(), reachable))
    throw ApiError(EINVAL, "Kernel " + kernel_->description().name +
                               " has no compute units with connectivity required for global argument " +
                               argument.name + ": the buffer is allocated in bank " + buffer->bank().name());
  values_[static_cast<std::size_t>(index)] = {std::move(buffer), 0, true};
}

void Run::set_scalar(int index, std::uint64_t value) {
  const KernelArgument& argument = kernel_->argument(index);
  if (argument.global) throw ApiError(EINVAL, "argument " + argument.name + " takes a buffer");
  values_[static_cast<std::size_t>(index)] = {nullptr, value, true};
}

Invocation Run::invocation() const {
  Invocation call{};
  call.engine = kernel_->device()->engine();
  const auto& arguments = kernel_->description().arguments;
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& name = arguments[i].name;
    if (!values_[i].set) throw ApiError(EINVAL, "kernel argument " + name + " is not set");
    if (!arguments[i].global) {
      if (name != "job") throw ApiError(EINVAL, "the emulator knows no scalar argument '" + name + "'");
      call.job = static_cast<std::uint32_t>(values_[i].scalar);
      continue;
    }
    const Buffer& buffer = *values_[i].buffer;
    const PortMemory memory{buffer.device_memory(), buffer.bytes(), buffer.generation()};
    if (name == "table")
      call.table = memory;
    else if (name == "io")
      call.io = memory;
    else if (const int kv = channel_of(name, "kv"); kv >= 0)
      place(call.kv, kv, memory);
    else if (const int weight = channel_of(name, "w"); weight >= 0)
      place(call.weight, weight, memory);
    else
      throw ApiError(EINVAL, "the emulator knows no memory argument '" + name + "'");
  }
  return call;
}

void Run::start() {
  kernel_->device()->starting();
  if (execution_ && !execution_->done()) throw ApiError(EBUSY, "bad command state, can't launch");
  Invocation call = invocation();
  // Whoever waits awake needs a core that the engine leaves free.
  const bool brief = execution_ && execution_->was_brief() && spare_core(call.engine);
  execution_ =
      std::make_shared<Execution>(kernel_->design(), kernel_->device()->faults(), std::move(call), brief);
  kernel_->device()->compute_unit().submit(execution_);
}

const Execution& Run::started() const {
  if (!execution_) throw ApiError(EINVAL, "the run was not started");
  return *execution_;
}

void Run::abort() {
  started();
  execution_->cancel();
}

ert_cmd_state Run::state() const { return execution_ ? execution_->state() : ERT_CMD_STATE_NEW; }

ert_cmd_state Run::wait() const { return started().wait(); }

ert_cmd_state Run::wait_for(std::chrono::milliseconds limit) const { return started().wait_for(limit); }

}  // namespace accllm::emulator
