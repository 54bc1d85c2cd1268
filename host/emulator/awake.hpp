#pragma once

#include <chrono>
#include <thread>

namespace accllm::emulator {

/// Tells the core that this is a waiting loop.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// Waits awake until `done()`, at most that long: to put a thread to sleep and to wake it on another core
/// takes some ten microseconds each, which is much beside a run of a tiny model. Others may have the core
/// meanwhile. \return whether it is done.
template <class Done>
bool wait_awake(std::chrono::microseconds limit, const Done& done) {
  constexpr int turns_between_looks = 64;
  const auto end = std::chrono::steady_clock::now() + limit;
  do {
    for (int turn = 0; turn < turns_between_looks; ++turn) {
      if (done()) return true;
      pause();
    }
    std::this_thread::yield();
  } while (std::chrono::steady_clock::now() < end);
  return done();
}

/// A run that took less the last time is so short that to sleep until its end, or until the next, costs much
/// of it.
constexpr std::chrono::microseconds brief_run{500};

}  // namespace accllm::emulator
