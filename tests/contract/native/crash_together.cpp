#include <cstdio>

#include <dlfcn.h>

// crash_together GUARD: has the guard tell of crash_threads.
extern "C" void crash_threads(int count);

int main(int argc, char** argv) {
  void* guard = argc > 1 ? dlopen(argv[1], RTLD_NOW) : nullptr;
  void* install = guard == nullptr ? nullptr : dlsym(guard, "accllmGuardInstall");
  if (install == nullptr) {
    std::fprintf(stderr, "no guard\n");
    return 1;
  }
  reinterpret_cast<void (*)(int, const char*, const char*)>(install)(2, "ended: ", ".\n");
  crash_threads(4);
  return 1;
}
