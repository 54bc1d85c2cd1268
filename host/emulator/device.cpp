#include "device.hpp"

#include <cerrno>
#include <cstdlib>
#include <string>
#include <utility>

#include "api_error.hpp"

namespace accllm::emulator {

std::optional<Fault> fault_of(const std::string& name) {
  static const std::pair<const char*, Fault> names[] = {
      {"run_hangs", Fault::run_hangs},         {"run_fails", Fault::run_fails},
      {"out_of_memory", Fault::out_of_memory}, {"device_lost", Fault::device_lost},
      {"ecc_error", Fault::ecc_error},         {"load_refused", Fault::load_refused},
      {"load_busy", Fault::load_busy},         {"crash", Fault::crash},
  };
  for (const auto& [known, fault] : names)
    if (name == known) return fault;
  return std::nullopt;
}

Device::Device() {
  const char* name = std::getenv("ACCLLM_EMU_ENGINE");
  if (name != nullptr && *name != '\0') set_engine(name);
  const char* fault = std::getenv("ACCLLM_EMU_FAULT");
  if (fault != nullptr && *fault != '\0') plan_fault(fault);
}

void Device::plan_fault(const std::string& text) {
  const std::size_t at = text.find('@');
  const std::optional<Fault> kind = fault_of(text.substr(0, at));
  const bool whole =
      at == std::string::npos || (at + 1 < text.size() && text.size() - at <= 10 &&
                                  text.find_first_not_of("0123456789", at + 1) == std::string::npos);
  if (!kind || !whole) throw ApiError(EINVAL, "ACCLLM_EMU_FAULT names no fault: '" + text + "'");
  planned_ = *kind;
  if (at == std::string::npos)
    set_fault(planned_, 0, 0);
  else
    starts_until_fault_ = std::strtoull(text.c_str() + at + 1, nullptr, 10);
}

void Device::starting() {
  if (starts_until_fault_ != 0 && --starts_until_fault_ == 0) set_fault(planned_, 0, 0);
  require_present();
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
  if (faults_->load_refused)
    throw ApiError(EINVAL, "the shell on the device does not match the xclbin's platform");
  if (faults_->load_busy) throw ApiError(EBUSY, "another process has an xclbin loaded");
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
      faults_->run_hangs = faults_->run_fails = faults_->out_of_memory = faults_->ecc_error = false;
      faults_->load_refused = faults_->load_busy = faults_->crash = false;
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
    case Fault::ecc_error:
      faults_->ecc_error = true;
      return;
    case Fault::load_refused:
      faults_->load_refused = true;
      return;
    case Fault::load_busy:
      faults_->load_busy = true;
      return;
    case Fault::crash:
      faults_->crash = true;
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
