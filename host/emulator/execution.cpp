#include "execution.hpp"

#include <exception>
#include <thread>
#include <utility>

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

bool is_final(ert_cmd_state state) { return state != ERT_CMD_STATE_QUEUED && state != ERT_CMD_STATE_RUNNING; }

}  // namespace

Execution::Execution(std::shared_ptr<Design> design, std::shared_ptr<Faults> faults, Invocation invocation)
    : design_(std::move(design)), faults_(std::move(faults)), invocation_(std::move(invocation)) {
  invocation_.cancel = &cancel_;
}

Outcome Execution::outcome() {
  if (cancel_) return Outcome::aborted;
  if (faults_->crash) std::terminate();
  if (faults_->run_fails) return Outcome::faulted;
  if (faults_->ecc_error) {
    ++faults_->ecc_errors;
    return Outcome::faulted;
  }
  if (faults_->run_hangs) {
    while (!cancel_) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    return Outcome::aborted;
  }
  try {
    return invocation_.engine == EngineKind::fast ? run_fast(invocation_) : run_golden(invocation_);
  } catch (...) {
    // An engine that throws is a card that faults; nothing may leave the compute unit's thread.
    return Outcome::faulted;
  }
}

void Execution::execute() {
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_ = ERT_CMD_STATE_RUNNING;
  }
  const Outcome outcome = this->outcome();
  {
    std::lock_guard<std::mutex> lock(mutex_);
    state_ = final_state(outcome, faults_->device_lost);
  }
  changed_.notify_all();
}

void Execution::cancel() noexcept { cancel_ = true; }

ert_cmd_state Execution::state() const {
  std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

bool Execution::done() const { return is_final(state()); }

ert_cmd_state Execution::wait() const {
  std::unique_lock<std::mutex> lock(mutex_);
  changed_.wait(lock, [this] { return is_final(state_); });
  return state_;
}

ert_cmd_state Execution::wait_for(std::chrono::milliseconds limit) const {
  std::unique_lock<std::mutex> lock(mutex_);
  if (!changed_.wait_for(lock, limit, [this] { return is_final(state_); })) return ERT_CMD_STATE_TIMEOUT;
  return state_;
}

}  // namespace accllm::emulator
