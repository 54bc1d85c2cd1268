#include "kernel.hpp"

#include <algorithm>
#include <cerrno>
#include <sstream>
#include <utility>

#include "api_error.hpp"

namespace accllm::emulator {

namespace {

void require_instances(const KernelDescription& kernel, const std::string& name) {
  const std::size_t open = name.find(":{");
  if (kernel.instances.empty()) throw ApiError(EINVAL, "No compute units matching '" + name + "'");
  if (open == std::string::npos) return;
  if (name.back() != '}') throw ApiError(EINVAL, "Malformed kernel name '" + name + "'");
  std::istringstream list(name.substr(open + 2, name.size() - open - 3));
  for (std::string instance; std::getline(list, instance, ',');)
    if (std::find(kernel.instances.begin(), kernel.instances.end(), instance) == kernel.instances.end())
      throw ApiError(EINVAL, "No compute units matching '" + name + "'");
}

}  // namespace

Kernel::Kernel(std::shared_ptr<Device> device, const Uuid& uuid, const std::string& name)
    : device_(std::move(device)), design_(device_->design()) {
  if (design_->xclbin.uuid != uuid)
    throw ApiError(EINVAL, "xclbin id " + to_string(uuid) + " is not the loaded one, " +
                               to_string(design_->xclbin.uuid));
  description_ = &design_->kernel(name.substr(0, name.find(':')));
  require_instances(*description_, name);
}

const KernelArgument& Kernel::argument(int index) const {
  if (index < 0 || static_cast<std::size_t>(index) >= description_->arguments.size())
    throw ApiError(EINVAL, "kernel " + description_->name + " has no argument " + std::to_string(index));
  return description_->arguments[static_cast<std::size_t>(index)];
}

std::uint32_t Kernel::group(int index) const {
  const KernelArgument& argument = this->argument(index);
  if (argument.groups.empty())
    throw ApiError(EINVAL, "argument " + argument.name + " is not connected to memory");
  return *std::max_element(argument.groups.begin(), argument.groups.end());
}

}  // namespace accllm::emulator
