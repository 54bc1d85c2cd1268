#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

#include "engine.hpp"

// Stands in for the kernel in contract tests: what it does shows in memory which buffers it was given and
// what they held when it ran.
namespace accllm::emulator {

namespace {

constexpr std::uint32_t job_until_cancelled = 0xFFFFFFFF;
constexpr std::uint32_t job_throws = 0xFFFFFFFE;

std::uint32_t first_word(const PortMemory& memory) {
  std::uint32_t word;
  std::memcpy(&word, memory.data, sizeof word);
  return word;
}

}  // namespace

/// Writes to `io` as 32-bit words: job, number of weight ports, number of KV ports, first word of the table,
/// bytes of the table's buffer, then the first word of each weight and KV port.
Outcome run_golden(const Invocation& call) {
  if (call.job == job_throws) throw std::runtime_error("the engine threw");
  if (call.job == job_until_cancelled) {
    while (!*call.cancel) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Outcome::aborted;
  }
  std::vector<std::uint32_t> words = {call.job, static_cast<std::uint32_t>(call.weight.size()),
                                      static_cast<std::uint32_t>(call.kv.size()), first_word(call.table),
                                      static_cast<std::uint32_t>(call.table.bytes)};
  for (const PortMemory& port : call.weight) words.push_back(first_word(port));
  for (const PortMemory& port : call.kv) words.push_back(first_word(port));
  if (words.size() * sizeof(std::uint32_t) > call.io.bytes) return Outcome::faulted;
  std::memcpy(call.io.data, words.data(), words.size() * sizeof(std::uint32_t));
  return Outcome::completed;
}

/// Whichever engine a device chooses, it is the stand-in.
std::vector<Outcome> run_fast(const std::vector<const Invocation*>& calls) { return {run_golden(*calls[0])}; }

std::uint32_t threads_of(EngineKind) { return 1; }

}  // namespace accllm::emulator
