#include "device.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "api_error.hpp"

namespace accllm::emulator {

Device::Device() {
  const char* name = std::getenv("ACCLLM_EMU_ENGINE");
  if (name != nullptr && *name != '\0') set_engine(name);
}

void Device::set_engine(const std::string& name) {
  if (name != "golden" && name != "fast")
    throw ApiError(EINVAL, "the emulator has the engines golden and fast, not '" + name + "'");
  engine_ = name == "fast" ? EngineKind::fast : EngineKind::golden;
}

const KernelDescription& Design::kernel(const std::string& name) const {
  for (const KernelDescription& candidate : xclbin.kernels)
    if (candidate.name == name) return candidate;
  throw ApiError(EINVAL, "No such kernel '" + name + "'");
}

void Device::require_present() const {
  if (faults_->device_lost) throw ApiError(ENODEV, "the device is lost");
}

void Device::load(Xclbin xclbin) {
  require_present();
  if (xclbin.mode != mode_sw_emu)
    throw ApiError(EINVAL, "the xclbin was built for mode " + std::to_string(xclbin.mode) +
                               ", the emulator loads software emulation (mode 5)");
  std::lock_guard<std::mutex> lock(mutex_);
  if (design_) {
    if (design_->xclbin.uuid == xclbin.uuid) return;
    if (design_.use_count() > 1)
      throw ApiError(EBUSY,
                     "xclbin " + to_string(design_->xclbin.uuid) + " is in use by open kernels or buffers");
  }
  auto design = std::make_shared<Design>();
  for (const MemoryEntry& memory : xclbin.memories)
    design->banks.push_back(memory.used ? std::make_shared<MemoryBank>(memory.tag, memory.base, memory.bytes)
                                        : nullptr);
  design->xclbin = std::move(xclbin);
  design_ = std::move(design);
}

std::shared_ptr<Design> Device::design() const {
  require_present();
  std::lock_guard<std::mutex> lock(mutex_);
  if (!design_) throw ApiError(EINVAL, "no xclbin is loaded");
  return design_;
}

void Device::set_fault(Fault kind, std::uint64_t address, std::uint32_t bit) {
  switch (kind) {
    case Fault::none:
      faults_->run_hangs = faults_->run_fails = faults_->out_of_memory = false;
      return;
    case Fault::run_hangs:
      faults_->run_hangs = true;
      return;
    case Fault::run_fails:
      faults_->run_fails = true;
      return;
    case Fault::out_of_memory:
      faults_->out_of_memory = true;
      return;
    case Fault::device_lost:
      faults_->device_lost = true;
      unit_.cancel_all();
      return;
    case Fault::bit_flip:
      for (const auto& bank : design()->banks) {
        if (!bank || address < bank->base() || !bank->holds(address - bank->base())) continue;
        bank->flip(address - bank->base(), bit);
        return;
      }
      throw ApiError(EINVAL, "no buffer holds address " + std::to_string(address));
  }
  throw ApiError(EINVAL, "unknown fault " + std::to_string(static_cast<std::uint32_t>(kind)));
}

}  // namespace accllm::emulator
