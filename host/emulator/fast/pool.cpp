#include "pool.hpp"

#include <algorithm>
#include <cstdlib>

#include "../awake.hpp"

namespace accllm::emulator::fast {
namespace {

/// Turns of the waiting loop before a thread yields or sleeps: some ten microseconds.
constexpr int turns_awake = 1000;

constexpr uint64_t open_bit = uint64_t{1} << 31;
constexpr uint64_t joined_mask = open_bit - 1;

}  // namespace

Pool::Pool(uint32_t threads) : shares_(threads) {
  workers_.reserve(threads);
  for (uint32_t t = 1; t < threads; ++t) workers_.emplace_back([this, t] { work(t); });
}

Pool::~Pool() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    state_.fetch_add(uint64_t{1} << 32);
  }
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void Pool::run(uint32_t count, uint32_t grain, const void* body, Call call) {
  body_ = body;
  call_ = call;
  count_ = count;
  grain_ = grain;
  const uint32_t shares = threads();
  for (uint32_t t = 0; t < shares; ++t) {
    shares_[t].next.store(static_cast<uint32_t>(uint64_t{count} * t / shares), std::memory_order_relaxed);
    shares_[t].end = static_cast<uint32_t>(uint64_t{count} * (t + 1) / shares);
  }
  bool sleepers;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_.store((uint64_t{number()} + 1) << 32 | open_bit, std::memory_order_release);
    sleepers = asleep_ > 0;
  }
  if (sleepers) wake_.notify_all();
  take_pieces(0);
  state_.fetch_and(~open_bit, std::memory_order_acquire);
  for (int turn = 0; (state_.load(std::memory_order_acquire) & joined_mask) != 0; ++turn) {
    if (turn < turns_awake) {
      pause();
    } else {
      std::this_thread::yield();
    }
  }
}

bool Pool::join(uint32_t loop) {
  uint64_t state = state_.load(std::memory_order_acquire);
  while (state >> 32 == loop && (state & open_bit) != 0) {
    if (state_.compare_exchange_weak(state, state + 1, std::memory_order_acquire)) return true;
  }
  return false;
}

void Pool::take_pieces(uint32_t thread) {
  const uint32_t shares = threads();
  for (uint32_t k = 0; k < shares; ++k) {
    Share& share = shares_[(thread + k) % shares];
    for (;;) {
      const uint32_t first = share.next.fetch_add(grain_, std::memory_order_relaxed);
      if (first >= share.end) break;
      call_(body_, first, std::min(first + grain_, share.end), thread);
    }
  }
}

uint32_t Pool::next_loop(uint32_t seen) {
  for (int turn = 0; turn < turns_awake; ++turn) {
    if (number() != seen) return number();
    pause();
  }
  std::unique_lock<std::mutex> lock(mutex_);
  ++asleep_;
  wake_.wait(lock, [&] { return number() != seen; });
  --asleep_;
  return number();
}

void Pool::work(uint32_t thread) {
  uint32_t seen = 0;
  for (;;) {
    seen = next_loop(seen);
    if (stopping_) return;
    if (!join(seen)) continue;
    take_pieces(thread);
    state_.fetch_sub(1, std::memory_order_release);
  }
}

uint32_t wanted_threads() {
  // Counting processors reads a file, and this is asked at every run.
  static const uint32_t cores = std::max(1u, std::thread::hardware_concurrency());
  const char* text = std::getenv("ACCLLM_THREADS");
  const long wanted = text == nullptr ? 0 : std::strtol(text, nullptr, 10);
  if (wanted >= 1 && wanted <= 256) return static_cast<uint32_t>(wanted);
  return cores;
}

}  // namespace accllm::emulator::fast
