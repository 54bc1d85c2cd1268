#include "boundary.hpp"

#include <exception>
#include <new>

namespace accllm::emulator {

namespace {

template <typename Object>
Handles<Object>& immortal() {
  static auto* handles = new Handles<Object>();
  return *handles;
}

std::string& error_text() {
  thread_local std::string text;
  return text;
}

void record(int code, const char* message) noexcept {
  try {
    error_text() = message;
  } catch (const std::bad_alloc&) {
    error_text().clear();
  }
  errno = code;
}

}  // namespace

Handles<Device>& devices() { return immortal<Device>(); }
Handles<Xclbin>& xclbins() { return immortal<Xclbin>(); }
Handles<Kernel>& kernels() { return immortal<Kernel>(); }
Handles<Buffer>& buffers() { return immortal<Buffer>(); }
Handles<Run>& runs() { return immortal<Run>(); }

void record_error() noexcept {
  try {
    throw;
  } catch (const ApiError& error) {
    record(error.code(), error.what());
  } catch (const std::bad_alloc&) {
    record(ENOMEM, "std::bad_alloc: out of host memory");
  } catch (const std::exception& error) {
    record(EINVAL, error.what());
  } catch (...) {
    record(EINVAL, "unknown exception");
  }
}

const char* last_error() noexcept { return error_text().c_str(); }

}  // namespace accllm::emulator
