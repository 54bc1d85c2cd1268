#pragma once

#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <memory>
#include <vector>

#include "buffer.hpp"
#include "execution.hpp"
#include "kernel.hpp"
#include "accllm_xrt.h"

namespace accllm::emulator {

/// A run object: argument values and the execution they were last started with. Destroying it ends the
/// execution.
class Run {
 public:
  explicit Run(std::shared_ptr<Kernel> kernel);
  ~Run();
  Run(const Run&) = delete;
  Run& operator=(const Run&) = delete;

  const Kernel& kernel() const noexcept { return *kernel_; }
  /// Throws ApiError (EINVAL) for a scalar argument or a buffer in a bank that the argument is not connected
  /// to.
  void set_buffer(int index, std::shared_ptr<Buffer> buffer);
  /// Throws ApiError (EINVAL) for a pointer argument.
  void set_scalar(int index, std::uint64_t value);
  /// Throws ApiError (EINVAL) when an argument is missing, (EBUSY) while the run executes.
  void start();
  /// Asks the execution to end early. Throws ApiError (EINVAL) for a run that was not started.
  void abort();

  ert_cmd_state state() const;
  /// Throws ApiError (EINVAL) for a run that was not started.
  ert_cmd_state wait() const;
  ert_cmd_state wait_for(std::chrono::milliseconds limit) const;

 private:
  struct Value {
    std::shared_ptr<Buffer> buffer;
    std::uint64_t scalar = 0;
    bool set = false;
  };

  Invocation invocation() const;
  const Execution& started() const;

  std::shared_ptr<Kernel> kernel_;
  std::vector<Value> values_;
  std::shared_ptr<Execution> execution_;
};

}  // namespace accllm::emulator
