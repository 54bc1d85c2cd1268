#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

/// \file
/// Dataflow stages as threads, and deadlocks found at the moment they close: a region counts its stages that
/// can run; when the last one starts to wait, nothing can ever move again.

namespace sim {

/// What a stage waits for.
struct Wait {
  std::string stream;
  size_t depth;
  bool full;
  /// The clock of the reading side stands still.
  bool stopped = false;
};

/// Every stage of a region waits. The text names each stage and its full or empty stream.
class Deadlock : public std::runtime_error {
 public:
  explicit Deadlock(const std::string& what) : std::runtime_error(what) {}
};

class Region;

/// One dataflow process.
class Stage {
 public:
  Stage(Region& region, std::string name) : region_(region), name_(std::move(name)) {}

 private:
  friend class Region;
  template <class Ready>
  friend void wait_until(std::atomic<Stage*>&, Ready, const Wait&);
  friend void wake(std::atomic<Stage*>&);

  Region& region_;
  const std::string name_;
  std::condition_variable woken_;
  bool waiting_ = false;
  Wait wait_{};
};

/// The stage that the calling thread runs; null outside of regions.
inline thread_local Stage* current_stage = nullptr;

/// Runs stages as threads until all have returned. The first exception of a stage ends the others and is
/// thrown by run(); a deadlock is such an exception.
class Region {
 public:
  Region() = default;
  Region(const Region&) = delete;
  Region& operator=(const Region&) = delete;

  void add(std::string name, std::function<void()> body) {
    stages_.push_back(std::make_unique<Stage>(*this, std::move(name)));
    bodies_.push_back(std::move(body));
  }

  void run() {
    runnable_ = stages_.size();
    std::vector<std::thread> threads;
    threads.reserve(stages_.size());
    for (size_t i = 0; i < stages_.size(); ++i) threads.emplace_back([this, i] { run_stage(i); });
    for (std::thread& thread : threads) thread.join();
    if (error_) std::rethrow_exception(error_);
  }

 private:
  template <class Ready>
  friend void wait_until(std::atomic<Stage*>&, Ready, const Wait&);
  friend void wake(std::atomic<Stage*>&);

  /// Thrown in the stages that another one's failure ends.
  struct Abandoned {};

  void run_stage(size_t index) {
    current_stage = stages_[index].get();
    try {
      bodies_[index]();
    } catch (const Abandoned&) {
    } catch (...) {
      const std::lock_guard<std::mutex> lock(mutex_);
      fail(std::current_exception());
    }
    current_stage = nullptr;
    const std::lock_guard<std::mutex> lock(mutex_);
    --runnable_;
    check();
  }

  /// With the mutex held.
  void check() {
    if (runnable_ > 0 || error_) return;
    std::string what;
    for (const auto& stage : stages_) {
      if (!stage->waiting_) continue;
      what += what.empty() ? "deadlock:" : ";";
      what += " stage '" + stage->name_ + "' waits, stream '" + stage->wait_.stream + "' " +
              (stage->wait_.full      ? "full (depth " + std::to_string(stage->wait_.depth) + ")"
               : stage->wait_.stopped ? "without a clock"
                                      : "empty");
    }
    if (!what.empty()) fail(std::make_exception_ptr(Deadlock(what)));
  }

  /// With the mutex held.
  void fail(std::exception_ptr error) {
    if (!error_) error_ = std::move(error);
    for (const auto& stage : stages_) stage->woken_.notify_one();
  }

  std::mutex mutex_;
  std::vector<std::unique_ptr<Stage>> stages_;
  std::vector<std::function<void()>> bodies_;
  size_t runnable_ = 0;
  std::exception_ptr error_;
};

/// Waits in the calling stage until ready(). `slot` is where the other side of the stream looks for a
/// sleeper. The slot is set before ready() is asked again, and the other side moves its index before it looks
/// into the slot, both sequentially consistent: one of the two sees the other.
template <class Ready>
void wait_until(std::atomic<Stage*>& slot, Ready ready, const Wait& wait) {
  Stage* const stage = current_stage;
  if (stage == nullptr) {
    if (ready()) return;
    throw Deadlock("deadlock: outside of a region, stream '" + wait.stream + "' " +
                   (wait.full ? "full" : "empty"));
  }
  // A short wait costs less than a sleep where the other side runs at the same time.
  for (int i = 0; i < 4; ++i) {
    if (ready()) return;
    std::this_thread::yield();
  }
  Region& region = stage->region_;
  std::unique_lock<std::mutex> lock(region.mutex_);
  // The other side may have seen this stage for the element before: asked again after every waking.
  for (;;) {
    slot.store(stage);
    if (ready()) break;
    stage->wait_ = wait;
    stage->waiting_ = true;
    --region.runnable_;
    region.check();
    stage->woken_.wait(lock, [&] { return !stage->waiting_ || region.error_; });
    if (!stage->waiting_) continue;
    // Ended from outside; the stage runs again until its return counts it off.
    stage->waiting_ = false;
    slot.store(nullptr);
    ++region.runnable_;
    throw Region::Abandoned{};
  }
  slot.store(nullptr);
}

/// Wakes the stage that sleeps in `slot`, if any.
inline void wake(std::atomic<Stage*>& slot) {
  Stage* sleeper = slot.load();
  if (sleeper == nullptr) return;
  Region& region = sleeper->region_;
  const std::lock_guard<std::mutex> lock(region.mutex_);
  sleeper = slot.load();
  if (sleeper == nullptr || !sleeper->waiting_) return;
  sleeper->waiting_ = false;
  slot.store(nullptr);
  ++region.runnable_;
  sleeper->woken_.notify_one();
}

/// A clock that can be stopped: reads of the streams that end behind it wait while it is. It runs at first.
class Gate {
 public:
  bool runs() const { return runs_.load(); }
  void add(std::atomic<Stage*>& reader) { readers_.push_back(&reader); }
  void set(bool runs) {
    runs_.store(runs);
    if (!runs) return;
    for (std::atomic<Stage*>* reader : readers_) wake(*reader);
  }

 private:
  std::atomic<bool> runs_{true};
  std::vector<std::atomic<Stage*>*> readers_;
};

}  // namespace sim
