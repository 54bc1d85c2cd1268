#pragma once
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace accllm::quant {

/** Threads that share loops. What a loop computes must not depend on who runs which part of it. */
class Pool {
 public:
  /** @param threads all in all, the caller's included; at least one. */
  explicit Pool(int threads);
  ~Pool();
  Pool(const Pool&) = delete;
  Pool& operator=(const Pool&) = delete;

  using Part = std::function<void(int64_t begin, int64_t end)>;

  /** Calls `part` for 0..items-1 in parts of `chunk` and returns when all are done. Not to be nested. */
  void run(int64_t items, int64_t chunk, const Part& part);

 private:
  void work();
  void takeParts();

  std::vector<std::thread> threads_;
  std::mutex mutex_;
  std::condition_variable start_;
  std::condition_variable done_;
  const Part* part_ = nullptr;
  int64_t items_ = 0;
  int64_t chunk_ = 1;
  std::atomic<int64_t> next_{0};
  uint64_t round_ = 0;
  /** Whether threads may still join the loop, and how many are in it. */
  bool open_ = false;
  int active_ = 0;
  bool stop_ = false;
};

}  // namespace accllm::quant
