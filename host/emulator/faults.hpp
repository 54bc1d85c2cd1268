#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

namespace accllm::emulator {

/// Numbers of accllmEmuSetFault; part of the emulator's interface.
enum class Fault : std::uint32_t {
  none = 0,           ///< Clears every fault; a lost device stays lost.
  run_hangs = 1,      ///< Runs started from now on never complete.
  run_fails = 2,      ///< Runs started from now on end in the error state without touching memory.
  bit_flip = 3,       ///< Inverts one bit of device memory at once: address and bit number.
  out_of_memory = 4,  ///< Allocations fail.
  device_lost =
      5,          ///< The card falls off the bus: every call fails, running commands end in the error state.
  ecc_error = 6,  ///< Runs started from now on end in the error state, counted as uncorrectable by ECC.
  load_refused = 7,  ///< Loading fails with EINVAL, as on a card with another shell.
  load_busy = 8,     ///< Loading fails with EBUSY, as on a card where another process has an xclbin loaded.
  crash = 9,         ///< Runs started from now on end the process, as XRT does on an exception of its own.
};

/// A fault's number by its name ("run_hangs"); nothing for another name.
std::optional<Fault> fault_of(const std::string& name);

/// Faults switched on for one device.
struct Faults {
  std::atomic<bool> run_hangs{false};
  std::atomic<bool> run_fails{false};
  std::atomic<bool> out_of_memory{false};
  std::atomic<bool> device_lost{false};
  std::atomic<bool> ecc_error{false};
  std::atomic<bool> load_refused{false};
  std::atomic<bool> load_busy{false};
  std::atomic<bool> crash{false};
  /// Uncorrectable errors so far.
  std::atomic<std::uint64_t> ecc_errors{0};
};

}  // namespace accllm::emulator
