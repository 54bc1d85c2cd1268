#include "compute_unit.hpp"

#include <chrono>
#include <utility>

#include "awake.hpp"

namespace accllm::emulator {

namespace {

/// How long the thread stays awake after a short command: as long as a host needs for what is between two
/// tokens.
constexpr std::chrono::microseconds awake_after{100};

}  // namespace

ComputeUnit::~ComputeUnit() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    if (current_) current_->cancel();
    for (const auto& command : queue_) command->cancel();
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

void ComputeUnit::submit(std::shared_ptr<Command> command) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    if (!thread_.joinable()) thread_ = std::thread([this] { work(); });
    queue_.push_back(std::move(command));
  }
  ++submitted_;
  wake_.notify_one();
}

void ComputeUnit::cancel_all() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (current_) current_->cancel();
  for (const auto& command : queue_) command->cancel();
}

void ComputeUnit::work() {
  std::uint32_t taken = 0;
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    current_ = std::move(queue_.front());
    queue_.pop_front();
    // References of its own: the last ones may be dropped here, outside the lock. Those behind stay in the
    // queue, where whoever cancels all finds them.
    auto command = current_;
    std::vector<std::shared_ptr<Command>> behind(queue_.begin(), queue_.end());
    lock.unlock();
    const auto start = std::chrono::steady_clock::now();
    const std::size_t more = command->execute(behind);
    const bool brief = std::chrono::steady_clock::now() - start < brief_run;
    lock.lock();
    current_.reset();
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(more));
    taken += 1 + static_cast<std::uint32_t>(more);
    lock.unlock();
    command.reset();
    behind.clear();
    if (brief) wait_awake(awake_after, [&] { return stopping_ || submitted_ != taken; });
    lock.lock();
  }
}

}  // namespace accllm::emulator
