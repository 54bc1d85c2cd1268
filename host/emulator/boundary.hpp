#pragma once

#include <cerrno>
#include <memory>
#include <mutex>
#include <string>
#include <unordered_map>
#include <utility>

#include "api_error.hpp"
#include "buffer.hpp"
#include "device.hpp"
#include "kernel.hpp"
#include "run.hpp"
#include "xclbin.hpp"

namespace accllm::emulator {

/// Objects behind opaque handles. A handle is the object's address, as in XRT; one that is not open is an
/// error instead of a crash.
template <typename Object>
class Handles {
 public:
  void* add(std::shared_ptr<Object> object) {
    void* handle = object.get();
    std::lock_guard<std::mutex> lock(mutex_);
    objects_.emplace(handle, std::move(object));
    return handle;
  }

  /// Throws ApiError (EINVAL).
  std::shared_ptr<Object> get(void* handle) const {
    std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = objects_.find(handle);
    if (entry == objects_.end()) throw ApiError(EINVAL, "No such handle");
    return entry->second;
  }

  /// Closes the handle; the object is destroyed outside the lock. Throws ApiError (EINVAL).
  void remove(void* handle) {
    std::shared_ptr<Object> object;  // declared before the lock, hence destroyed after it
    std::lock_guard<std::mutex> lock(mutex_);
    const auto entry = objects_.find(handle);
    if (entry == objects_.end()) throw ApiError(EINVAL, "No such handle");
    object = std::move(entry->second);
    objects_.erase(entry);
  }

 private:
  mutable std::mutex mutex_;
  std::unordered_map<void*, std::shared_ptr<Object>> objects_;
};

// Never destroyed, so that handles left open at exit run no destructor.
Handles<Device>& devices();
Handles<Xclbin>& xclbins();
Handles<Kernel>& kernels();
Handles<Buffer>& buffers();
Handles<Run>& runs();

/// Sets errno and the thread's error text from the exception in flight.
void record_error() noexcept;
const char* last_error() noexcept;

/// Calls `body`; an exception becomes errno and `failure`.
template <typename Result, typename Body>
Result guarded(Result failure, Body body) noexcept {
  try {
    return body();
  } catch (...) {
    record_error();
    return failure;
  }
}

/// Throws ApiError (EINVAL) for a null argument.
template <typename T>
T* required(T* pointer, const char* what) {
  if (!pointer) throw ApiError(EINVAL, std::string(what) + " is null");
  return pointer;
}

}  // namespace accllm::emulator
