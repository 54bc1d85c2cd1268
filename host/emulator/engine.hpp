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
  /// Differs whenever the memory at this address was written by anyone but the kernel since; what an engine
  /// derives from the content stays valid as long as address and generation are the same.
  std::uint64_t generation = 0;
};

/// The two implementations of the kernel; they give the same bits.
enum class EngineKind { golden, fast };

/// One call of the kernel. `cancel` turns true when the run is to end early; never null.
struct Invocation {
  std::vector<PortMemory> weight, kv;
  PortMemory table, io;
  std::uint32_t job;
  const std::atomic<bool>* cancel;
  EngineKind engine = EngineKind::golden;
};

enum class Outcome { completed, aborted, faulted };

/// Runs the kernel's C++ sources on the CPU. Defined in golden.cpp.
Outcome run_golden(const Invocation&);

/// The same with SIMD and threads (ACCLLM_THREADS, ACCLLM_EMU_SIMD). Keeps re-laid weights and its threads
/// for the calling thread's next run. Runs the first of the calls, and at once with it those behind it with
/// which that comes to the same as one after the other. Defined in fast/run.cpp.
/// \return how these ended, in order; at least one
std::vector<Outcome> run_fast(const std::vector<const Invocation*>& calls);

/// Threads that an engine uses from its next device on. Defined in fast/run.cpp.
std::uint32_t threads_of(EngineKind);

}  // namespace accllm::emulator
