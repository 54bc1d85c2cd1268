#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

namespace accllm::emulator {

/// Work for a compute unit.
class Command {
 public:
  virtual ~Command() = default;
  /// Called on the compute unit's thread. `behind` are the commands that wait behind this one, in order.
  /// \return how many of those it executed at once with itself
  virtual std::size_t execute(const std::vector<std::shared_ptr<Command>>& behind) = 0;
  /// Asks a queued or running command to end early; any thread.
  virtual void cancel() noexcept = 0;
};

/// The card's one compute unit: executes commands in order on a thread of its own, which starts with the
/// first. After a short one it stays awake a while for the next.
class ComputeUnit {
 public:
  ComputeUnit() = default;
  ~ComputeUnit();
  ComputeUnit(const ComputeUnit&) = delete;
  ComputeUnit& operator=(const ComputeUnit&) = delete;

  void submit(std::shared_ptr<Command> command);
  void cancel_all() noexcept;

 private:
  void work();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Command>> queue_;
  /// Commands that were ever submitted.
  std::atomic<std::uint32_t> submitted_{0};
  std::shared_ptr<Command> current_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace accllm::emulator
