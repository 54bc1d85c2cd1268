#include "pool.hpp"

#include <algorithm>

namespace accllm::quant {

Pool::Pool(int threads) {
  for (int i = 1; i < threads; i++) threads_.emplace_back([this] { work(); });
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stop_ = true;
  }
  start_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Pool::run(int64_t items, int64_t chunk, const Part& part) {
  if (threads_.empty() || items <= chunk) {
    for (int64_t i = 0; i < items; i += chunk) part(i, std::min(items, i + chunk));
    return;
  }
  {
    std::lock_guard<std::mutex> lock(mutex_);
    part_ = &part;
    items_ = items;
    chunk_ = chunk;
    next_ = 0;
    open_ = true;
    round_++;
  }
  start_.notify_all();
  takeParts();
  std::unique_lock<std::mutex> lock(mutex_);
  // A thread that has not woken yet need not: nothing is left for it.
  open_ = false;
  done_.wait(lock, [this] { return active_ == 0; });
}

void Pool::work() {
  uint64_t seen = 0;
  for (;;) {
    {
      std::unique_lock<std::mutex> lock(mutex_);
      start_.wait(lock, [&] { return stop_ || (open_ && round_ != seen); });
      if (stop_) return;
      seen = round_;
      active_++;
    }
    takeParts();
    std::lock_guard<std::mutex> lock(mutex_);
    if (--active_ == 0) done_.notify_one();
  }
}

void Pool::takeParts() {
  for (;;) {
    const int64_t begin = next_.fetch_add(chunk_);
    if (begin >= items_) return;
    (*part_)(begin, std::min(items_, begin + chunk_));
  }
}

}  // namespace accllm::quant
