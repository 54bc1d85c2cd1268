#include "compute_unit.hpp"

#include <utility>

namespace accllm::emulator {

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
  wake_.notify_one();
}

void ComputeUnit::cancel_all() noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  if (current_) current_->cancel();
  for (const auto& command : queue_) command->cancel();
}

void ComputeUnit::work() {
  std::unique_lock<std::mutex> lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (queue_.empty()) return;
    current_ = std::move(queue_.front());
    queue_.pop_front();
    // A reference of its own: the last one may be dropped here, outside the lock.
    auto command = current_;
    lock.unlock();
    command->execute();
    lock.lock();
    current_.reset();
    lock.unlock();
    command.reset();
    lock.lock();
  }
}

}  // namespace accllm::emulator
