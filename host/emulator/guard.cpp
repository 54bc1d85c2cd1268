// libaccllm_guard.so: a crash inside XRT or the emulator cannot be survived in-process, but it can be told.
// The command line installs this; without it a crash is what it always is.
#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstring>

#include <dlfcn.h>
#include <execinfo.h>
#include <signal.h>
#include <unistd.h>

namespace {

constexpr int signals[] = {SIGSEGV, SIGBUS, SIGABRT, SIGILL, SIGFPE};
constexpr int device_exit_code = 4;
constexpr int max_frames = 64;
constexpr std::size_t text_bytes = 2048;
/// Seconds after which a handler that hangs is ended.
constexpr unsigned patience = 5;

struct sigaction previous[NSIG];
char head[text_bytes], tail[text_bytes];
int output = 2;
volatile sig_atomic_t handling = 0;
std::atomic<bool> told{false};
static_assert(std::atomic<bool>::is_always_lock_free, "may be used in a handler");

const char* base_name(const char* path) {
  const char* slash = std::strrchr(path, '/');
  return slash ? slash + 1 : path;
}

bool is_device_library(const char* name) {
  return std::strncmp(name, "libxrt", 6) == 0 || std::strncmp(name, "libaccllm_emu", 13) == 0;
}

/// The device library nearest to where the signal came from, or null.
const char* culprit() {
  void* frames[max_frames];
  const int count = backtrace(frames, max_frames);
  for (int i = 0; i < count; ++i) {
    Dl_info info;
    if (dladdr(frames[i], &info) == 0 || !info.dli_fname) continue;
    const char* name = base_name(info.dli_fname);
    if (is_device_library(name)) return name;
  }
  return nullptr;
}

void put(const char* text) {
  std::size_t left = std::strlen(text);
  while (left > 0) {
    const ssize_t written = write(output, text, left);
    if (written <= 0) return;
    text += written;
    left -= static_cast<std::size_t>(written);
  }
}

const char* name_of(int number) {
  switch (number) {
    case SIGSEGV:
      return "SIGSEGV";
    case SIGBUS:
      return "SIGBUS";
    case SIGABRT:
      return "SIGABRT";
    case SIGILL:
      return "SIGILL";
  }
  return "SIGFPE";
}

/// Tells it once: where a library's file is cut off, several threads fail at a time.
[[noreturn]] void tell(const char* library, int number) {
  // The one that tells ends the process.
  while (told.exchange(true)) pause();
  put(head);
  put(library);
  put(" (");
  put(name_of(number));
  put(")");
  put(tail);
  _exit(device_exit_code);
}

void pass_on(int number, siginfo_t* info, void* context) {
  const struct sigaction& before = previous[number];
  handling = 0;
  if (before.sa_flags & SA_SIGINFO) return before.sa_sigaction(number, info, context);
  if (before.sa_handler != SIG_DFL && before.sa_handler != SIG_IGN) return before.sa_handler(number);
  sigaction(number, &before, nullptr);
  raise(number);
}

void handle(int number, siginfo_t* info, void* context) {
  // A library whose file was cut off under the process fails again while it is looked at.
  if (handling) tell("of the device", number);
  handling = 1;
  signal(SIGALRM, SIG_DFL);
  alarm(patience);
  const char* library = culprit();
  if (library) tell(library, number);
  alarm(0);
  pass_on(number, info, context);
}

void keep(char* target, const char* text) { std::snprintf(target, text_bytes, "%s", text); }

}  // namespace

/// From now on a crash in a library of XRT or of the emulator writes `before`, the library's name with the
/// signal's, and `after` to the file descriptor, and ends the process with exit code 4. Other crashes go on
/// to whoever handled them before. A second call changes the texts.
extern "C" __attribute__((visibility("default"))) void accllmGuardInstall(int descriptor, const char* before,
                                                                          const char* after) {
  static bool installed = false;
  output = descriptor;
  keep(head, before);
  keep(tail, after);
  if (installed) return;
  installed = true;
  // The first call loads libgcc, which must not happen in a handler.
  void* frame;
  backtrace(&frame, 1);
  for (const int number : signals) {
    struct sigaction action;
    std::memset(&action, 0, sizeof action);
    action.sa_sigaction = handle;
    action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_ONSTACK;
    sigaction(number, &action, &previous[number]);
  }
}
