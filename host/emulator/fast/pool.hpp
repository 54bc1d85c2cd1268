#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

namespace accllm::emulator::fast {

/// Threads that share loops. They wait for the next loop awake for some ten microseconds, since a token is
/// made of hundreds of short loops, and asleep after that. A loop ends when its work is done, without waiting
/// for threads that the machine has not let join it.
class Pool {
 public:
  /// `threads` counts the caller; at least 1.
  explicit Pool(uint32_t threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  uint32_t threads() const { return static_cast<uint32_t>(shares_.size()); }

  /// Calls body(first, last, thread) for pieces of at most `grain` that make up 0 .. count - 1, thread below
  /// threads(), and returns when all are done. `body` must not throw. One loop at a time.
  template <class Body>
  void loop(uint32_t count, uint32_t grain, const Body& body) {
    if (workers_.empty() || count <= grain) {
      if (count > 0) body(0u, count, 0u);
      return;
    }
    run(count, grain, &body, [](const void* of, uint32_t first, uint32_t last, uint32_t thread) {
      (*static_cast<const Body*>(of))(first, last, thread);
    });
  }

 private:
  using Call = void (*)(const void* body, uint32_t first, uint32_t last, uint32_t thread);

  /// What is left of a thread's part of the loop. A part is contiguous, so that a thread reads memory in one
  /// long run; who is done with it goes on with another's.
  struct alignas(64) Share {
    std::atomic<uint32_t> next{0};
    uint32_t end = 0;
  };

  void run(uint32_t count, uint32_t grain, const void* body, Call call);
  void take_pieces(uint32_t thread);
  void work(uint32_t thread);
  /// Waits until the loop number differs from `seen`; returns it.
  uint32_t next_loop(uint32_t seen);
  /// Joins loop `number` unless it is closed.
  bool join(uint32_t number);
  uint32_t number() const { return static_cast<uint32_t>(state_.load(std::memory_order_acquire) >> 32); }

  std::vector<Share> shares_;
  std::vector<std::thread> workers_;
  std::mutex mutex_;
  std::condition_variable wake_;
  uint32_t asleep_ = 0;
  std::atomic<bool> stopping_{false};
  const void* body_ = nullptr;
  Call call_ = nullptr;
  uint32_t count_ = 0;
  uint32_t grain_ = 1;
  /// Number of the loop, whether it is open, and how many workers are in it: 32, 1 and 31 bits.
  alignas(64) std::atomic<uint64_t> state_{0};
};

/// Threads to use: ACCLLM_THREADS where it is a number from 1 to 256, else what the machine has.
uint32_t wanted_threads();

}  // namespace accllm::emulator::fast
