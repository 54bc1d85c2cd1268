#include <cerrno>
#include <cstdarg>

#include "boundary.hpp"
#include "emulator_api.hpp"

// Runs of XRT's C API.
using namespace accllm::emulator;

namespace {

/// Takes the argument's value off the list, as wide as C's promotions made it (a float arrives as a double).
void set_argument(Run& run, int index, std::va_list* values) {
  const KernelArgument& argument = run.kernel().argument(index);
  if (argument.global) {
    run.set_buffer(index, buffers().get(va_arg(*values, xrtBufferHandle)));
  } else if (argument.type == "float" || argument.type == "double") {
    throw ApiError(
        EINVAL, "the emulator takes integer scalars; argument " + argument.name + " is a " + argument.type);
  } else if (argument.bytes > 4) {
    run.set_scalar(index, va_arg(*values, std::uint64_t));
  } else {
    run.set_scalar(index, va_arg(*values, std::uint32_t));
  }
}

/// Closes a va_list on every path.
struct Variadic {
  std::va_list list;
  ~Variadic() { va_end(list); }
};

}  // namespace

xrtRunHandle xrtRunOpen(xrtKernelHandle kernel) {
  return guarded<void*>(nullptr, [&] { return runs().add(std::make_shared<Run>(kernels().get(kernel))); });
}

xrtRunHandle xrtKernelRun(xrtKernelHandle kernel, ...) {
  Variadic values;
  va_start(values.list, kernel);
  return guarded<void*>(nullptr, [&] {
    auto run = std::make_shared<Run>(kernels().get(kernel));
    const int count = static_cast<int>(run->kernel().description().arguments.size());
    for (int index = 0; index < count; ++index) set_argument(*run, index, &values.list);
    run->start();
    return runs().add(std::move(run));
  });
}

int xrtRunSetArg(xrtRunHandle run, int index, ...) {
  Variadic values;
  va_start(values.list, index);
  return guarded(-1, [&] {
    set_argument(*runs().get(run), index, &values.list);
    return 0;
  });
}

int xrtRunStart(xrtRunHandle run) {
  return guarded(-1, [&] {
    runs().get(run)->start();
    return 0;
  });
}

enum ert_cmd_state xrtRunWait(xrtRunHandle run) {
  return guarded(ERT_CMD_STATE_ABORT, [&] { return runs().get(run)->wait(); });
}

enum ert_cmd_state xrtRunWaitFor(xrtRunHandle run, unsigned int timeout_ms) {
  return guarded(ERT_CMD_STATE_ABORT, [&] {
    const auto waiting = runs().get(run);
    // XRT: a timeout of 0 waits without limit.
    return timeout_ms == 0 ? waiting->wait() : waiting->wait_for(std::chrono::milliseconds(timeout_ms));
  });
}

enum ert_cmd_state xrtRunState(xrtRunHandle run) {
  return guarded(ERT_CMD_STATE_ABORT, [&] { return runs().get(run)->state(); });
}

int xrtRunClose(xrtRunHandle run) {
  return guarded(-1, [&] {
    runs().remove(run);
    return 0;
  });
}

int accllmEmuRunAbort(xrtRunHandle run) {
  return guarded(-1, [&] {
    runs().get(run)->abort();
    return 0;
  });
}
