#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

namespace accllm::emulator {

/// Device memory that one kernel port sees: from the start of the buffer set as its argument to the buffer's
/// end.
struct PortMemory {
  std::byte* data;
  std::size_t bytes;
};

/// One call of the kernel. `cancel` turns true when the run is to end early; never null.
struct Invocation {
  std::vector<PortMemory> weight, kv;
  PortMemory table, io;
  std::uint32_t job;
  const std::atomic<bool>* cancel;
};

enum class Outcome { completed, aborted, faulted };

/// Runs the kernel's C++ sources on the CPU. Defined in golden.cpp.
Outcome run_golden(const Invocation&);

}  // namespace accllm::emulator
