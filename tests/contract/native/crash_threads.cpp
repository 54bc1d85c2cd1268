#include <atomic>
#include <thread>
#include <vector>

// Stands in for a device's library whose file was cut off: several threads fail at the same time.
extern "C" __attribute__((visibility("default"))) void crash_threads(int count) {
  std::atomic<int> ready{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < count; ++i) {
    threads.emplace_back([&] {
      ++ready;
      while (ready < count) std::this_thread::yield();
      __builtin_trap();
    });
  }
  for (std::thread& thread : threads) thread.join();
}
