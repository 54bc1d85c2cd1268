#pragma once

#include <stdexcept>
#include <string>

namespace accllm::emulator {

/// A call that fails: the errno value and the text that XRT would write to its message log. Thrown behind the
/// C boundary only; c_api.cpp turns it into a return code.
class ApiError : public std::runtime_error {
 public:
  ApiError(int code, const std::string& message) : std::runtime_error(message), code_(code) {}
  int code() const noexcept { return code_; }

 private:
  int code_;
};

}  // namespace accllm::emulator
