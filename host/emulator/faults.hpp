#pragma once

#include <atomic>
#include <cstdint>

namespace accllm::emulator {

/// Numbers of accllmEmuSetFault; part of the emulator's interface.
enum class Fault : std::uint32_t {
  none = 0,           ///< Clears every fault; a lost device stays lost.
  run_hangs = 1,      ///< Runs started from now on never complete.
  run_fails = 2,      ///< Runs started from now on end in the error state without touching memory.
  bit_flip = 3,       ///< Inverts one bit of device memory at once: address and bit number.
  out_of_memory = 4,  ///< Allocations fail.
  device_lost =
      5,  ///< The card falls off the bus: every call fails, running commands end in the error state.
};

/// Faults switched on for one device.
struct Faults {
  std::atomic<bool> run_hangs{false};
  std::atomic<bool> run_fails{false};
  std::atomic<bool> out_of_memory{false};
  std::atomic<bool> device_lost{false};
};

}  // namespace accllm::emulator
