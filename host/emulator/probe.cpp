// accllm_probe LIBRARY INDEX|BDF: loads a library with XRT's C API, opens the device and closes it again, in
// a process of its own: XRT ends the process on some errors. Exit codes: 0 opened, 2 usage, 3 library not
// loaded, 4 symbol missing, 5 device not opened.
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include <dlfcn.h>

namespace {

enum Exit { opened = 0, usage = 2, not_loaded = 3, symbol_missing = 4, not_opened = 5 };

template <typename Function>
Function symbol(void* library, const char* name) {
  void* address = dlsym(library, name);
  if (!address) {
    std::fprintf(stderr, "%s is missing\n", name);
    std::exit(symbol_missing);
  }
  return reinterpret_cast<Function>(address);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) {
    std::fprintf(stderr, "usage: accllm_probe LIBRARY INDEX|BDF\n");
    return usage;
  }
  void* library = dlopen(argv[1], RTLD_NOW);
  if (!library) {
    std::fprintf(stderr, "%s\n", dlerror());
    return not_loaded;
  }
  const auto open = symbol<void* (*)(unsigned int)>(library, "xrtDeviceOpen");
  const auto open_by_bdf = symbol<void* (*)(const char*)>(library, "xrtDeviceOpenByBDF");
  const auto close = symbol<int (*)(void*)>(library, "xrtDeviceClose");
  errno = 0;
  void* device = std::strchr(argv[2], ':')
                     ? open_by_bdf(argv[2])
                     : open(static_cast<unsigned int>(std::strtoul(argv[2], nullptr, 10)));
  if (!device) {
    if (errno != 0) std::fprintf(stderr, "%s\n", std::strerror(errno));
    return not_opened;
  }
  close(device);
  return opened;
}
