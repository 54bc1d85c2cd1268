#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "compute_unit.hpp"
#include "device.hpp"
#include "engine.hpp"
#include "accllm_xrt.h"

namespace accllm::emulator {

/// One start of a run: what the compute unit executes, and its state. Holds the design, hence the device
/// memory, but neither device nor buffers, so that it may die on the compute unit's own thread.
class Execution final : public Command {
 public:
  /// \param brief whether it is likely to end so soon that who waits for it should stay awake.
  Execution(std::shared_ptr<Design> design, std::shared_ptr<Faults> faults, Invocation invocation,
            bool brief);

  std::size_t execute(const std::vector<std::shared_ptr<Command>>& behind) override;
  void cancel() noexcept override;

  ert_cmd_state state() const;
  bool done() const;
  /// Whether it has ended, and soon.
  bool was_brief() const { return was_brief_; }
  /// Blocks until done; the final state.
  ert_cmd_state wait() const;
  /// Blocks at most that long; ERT_CMD_STATE_TIMEOUT while the execution goes on.
  ert_cmd_state wait_for(std::chrono::milliseconds limit) const;

 private:
  /// How this execution ends and, where they run at once with it, those behind it do.
  std::vector<Outcome> outcomes(const std::vector<Execution*>& behind);
  void finish(Outcome outcome, bool brief);
  /// Whether it has ended after a while in which the caller was awake, at most `limit`.
  bool ends_soon(std::chrono::microseconds limit) const;

  const std::shared_ptr<Design> design_;
  const std::shared_ptr<Faults> faults_;
  Invocation invocation_;
  const bool brief_;
  std::atomic<bool> was_brief_{false};
  std::atomic<bool> cancel_{false};
  mutable std::mutex mutex_;
  mutable std::condition_variable changed_;
  /// Written under the mutex.
  std::atomic<ert_cmd_state> state_{ERT_CMD_STATE_QUEUED};
};

}  // namespace accllm::emulator
