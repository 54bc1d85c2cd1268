#include "execution.hpp"

#include <algorithm>
#include <exception>
#include <thread>
#include <utility>

#include "awake.hpp"

namespace accllm::emulator {

namespace {

ert_cmd_state final_state(Outcome outcome, bool device_lost) {
  if (device_lost) return ERT_CMD_STATE_ERROR;
  switch (outcome) {
    case Outcome::completed:
      return ERT_CMD_STATE_COMPLETED;
    case Outcome::aborted:
      return ERT_CMD_STATE_ABORT;
    case Outcome::faulted:
      break;
  }
  return ERT_CMD_STATE_ERROR;
}

/// Twice what a brief run took the last time: a machine is not always as fast.
constexpr std::chrono::microseconds awake_until_end = 2 * brief_run;

bool is_final(ert_cmd_state state) { return state != ERT_CMD_STATE_QUEUED && state != ERT_CMD_STATE_RUNNING; }

}  // namespace

Execution::Execution(std::shared_ptr<Design> design, std::shared_ptr<Faults> faults, Invocation invocation,
                     bool brief)
    : design_(std::move(design)),
      faults_(std::move(faults)),
      invocation_(std::move(invocation)),
      brief_(brief) {
  invocation_.cancel = &cancel_;
}

std::vector<Outcome> Execution::outcomes(const std::vector<Execution*>& behind) {
  if (cancel_) return {Outcome::aborted};
  if (faults_->crash) std::terminate();
  if (faults_->run_fails) return {Outcome::faulted};
  if (faults_->ecc_error) {
    ++faults_->ecc_errors;
    return {Outcome::faulted};
  }
  if (faults_->run_hangs) {
    while (!cancel_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return {Outcome::aborted};
  }
  try {
    if (invocation_.engine == EngineKind::golden) return {run_golden(invocation_)};
    std::vector<const Invocation*> calls = {&invocation_};
    for (const Execution* execution : behind) calls.push_back(&execution->invocation_);
    return run_fast(calls);
  } catch (...) {
    // An engine that throws is a card that faults; nothing may leave the compute unit's thread.
    return {Outcome::faulted};
  }
}

std::size_t Execution::execute(const std::vector<std::shared_ptr<Command>>& behind) {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_ = ERT_CMD_STATE_RUNNING;
  }
  std::vector<Execution*> executions;
  for (const auto& command : behind) {
    auto* execution = dynamic_cast<Execution*>(command.get());
    if (execution == nullptr) break;
    executions.push_back(execution);
  }
  const auto start = std::chrono::steady_clock::now();
  const std::vector<Outcome> ended = outcomes(executions);
  finish(ended[0], std::chrono::steady_clock::now() - start < brief_run);
  for (std::size_t i = 1; i < ended.size(); ++i) executions[i - 1]->finish(ended[i], false);
  return ended.size() - 1;
}

void Execution::finish(Outcome outcome, bool brief) {
  was_brief_ = brief;
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_ = final_state(outcome, faults_->device_lost);
  }
  changed_.notify_all();
}

void Execution::cancel() noexcept { cancel_ = true; }

ert_cmd_state Execution::state() const { return state_; }

bool Execution::done() const { return is_final(state()); }

bool Execution::ends_soon(std::chrono::microseconds limit) const {
  return brief_ && wait_awake(std::min(limit, awake_until_end), [this] { return is_final(state_); });
}

ert_cmd_state Execution::wait() const {
  if (ends_soon(awake_until_end)) return state_;
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return is_final(state_); });
  return state_;
}

ert_cmd_state Execution::wait_for(std::chrono::milliseconds limit) const {
  const auto end = std::chrono::steady_clock::now() + limit;
  if (ends_soon(limit)) return state_;
  std::unique_lock<std::mutex> lock(mutex_);
  if (!changed_.wait_until(lock, end, [this] { return is_final(state_); })) return ERT_CMD_STATE_TIMEOUT;
  return state_;
}

}  // namespace accllm::emulator
