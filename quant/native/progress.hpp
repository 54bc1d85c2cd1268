#pragma once
#include <atomic>
#include <stdexcept>

namespace accllm::quant {

/** How far a long call is; asked for, and stopped, from another thread. */
class Progress {
 public:
  /** @param total all work to come, in units of its own. */
  void begin(double total) {
    done_ = 0;
    total_ = total;
    stopped_ = false;
  }
  /** Counts work as done. Throws where the call is to stop. */
  void add(double work) {
    if (stopped_) throw std::runtime_error("it was stopped");
    done_ = done_ + work;
  }
  /** 0..1. */
  double part() const {
    const double total = total_;
    const double part = total > 0 ? done_ / total : 0;
    return part < 1 ? part : 1;
  }
  /** The call ends with an error at its next step. */
  void stop() { stopped_ = true; }

 private:
  std::atomic<double> done_{0};
  std::atomic<double> total_{0};
  std::atomic<bool> stopped_{false};
};

}  // namespace accllm::quant
