#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "device.hpp"
#include "xclbin.hpp"

namespace accllm::emulator {

/// An opened kernel of the loaded xclbin.
class Kernel {
 public:
  /// `name` is "kernel" or "kernel:{instance,...}". Throws ApiError (EINVAL) when the UUID is not the loaded
  /// xclbin's, or when kernel or instance do not exist.
  Kernel(std::shared_ptr<Device> device, const Uuid& uuid, const std::string& name);

  const KernelDescription& description() const noexcept { return *description_; }
  const std::shared_ptr<Device>& device() const noexcept { return device_; }
  const std::shared_ptr<Design>& design() const noexcept { return design_; }

  /// Throws ApiError (EINVAL) for an index that does not exist.
  const KernelArgument& argument(int index) const;
  /// The largest of the argument's groups, as XRT does. Throws ApiError (EINVAL) for a scalar.
  std::uint32_t group(int index) const;

 private:
  std::shared_ptr<Device> device_;
  std::shared_ptr<Design> design_;
  const KernelDescription* description_;
};

}  // namespace accllm::emulator
