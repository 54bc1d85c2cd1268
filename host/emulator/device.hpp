#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "compute_unit.hpp"
#include "engine.hpp"
#include "faults.hpp"
#include "memory_bank.hpp"
#include "xclbin.hpp"

namespace accllm::emulator {

/// What a loaded xclbin makes of the card: its description, its memory and its compute units. Kernels and
/// buffers keep it alive, so that closing in the wrong order is not a use after free.
struct Design {
  Xclbin xclbin;
  std::vector<std::shared_ptr<MemoryBank>> banks;  ///< By MEM_TOPOLOGY index; null for unused entries.

  /// Throws ApiError (ENOENT).
  const KernelDescription& kernel(const std::string& name) const;
};

/// An emulated card. Every open yields a card of its own.
class Device {
 public:
  /// Takes the engine that ACCLLM_EMU_ENGINE names, and the fault of ACCLLM_EMU_FAULT: "run_hangs" at once,
  /// "run_hangs@3" with the third start. Throws ApiError (EINVAL) for unknown ones.
  Device();

  /// Engine of the runs started from now on: "golden" or "fast". Throws ApiError (EINVAL).
  void set_engine(const std::string& name);
  EngineKind engine() const noexcept { return engine_; }
  /// Loads an emulation xclbin; loading the one that is loaded does nothing. Throws ApiError (EINVAL, EBUSY
  /// while kernels or buffers of another xclbin are open).
  void load(Xclbin xclbin);
  /// Throws ApiError (EINVAL) when no xclbin is loaded, (ENODEV) when the device is lost.
  std::shared_ptr<Design> design() const;
  /// Throws ApiError (ENODEV) when the device is lost.
  void require_present() const;

  /// Counts a start and switches on what ACCLLM_EMU_FAULT asks for with it. Throws as require_present.
  void starting();

  ComputeUnit& compute_unit() noexcept { return unit_; }
  const std::shared_ptr<Faults>& faults() const noexcept { return faults_; }
  /// Throws ApiError (EINVAL) when a buffer does not hold the address.
  void set_fault(Fault kind, std::uint64_t address, std::uint32_t bit);

 private:
  void plan_fault(const std::string& text);

  mutable std::mutex mutex_;
  std::shared_ptr<Design> design_;
  const std::shared_ptr<Faults> faults_ = std::make_shared<Faults>();
  std::atomic<EngineKind> engine_{EngineKind::golden};
  /// The fault to come and the starts until then.
  Fault planned_ = Fault::none;
  std::atomic<std::uint64_t> starts_until_fault_{0};
  ComputeUnit unit_;
};

}  // namespace accllm::emulator
