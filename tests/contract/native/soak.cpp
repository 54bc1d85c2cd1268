// soak XCLBIN RUNS SEED: runs with faults switched on at random, on one device, while a second thread syncs
// and allocates. Every fault must be reported as its own return code, and the device must work after it.
// Prints "N runs, 0 unexpected" or what was unexpected; meant to run under the sanitizers.
#include <atomic>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <random>
#include <thread>

#include "emulator_api.hpp"
#include "faults.hpp"

namespace {

using accllm::emulator::Fault;

constexpr std::size_t buffer_bytes = 8192;
constexpr int memory_arguments = 5;
constexpr std::uint32_t job_until_cancelled = 0xFFFFFFFF;

std::atomic<int> unexpected{0};

void expect(bool condition, const char* what) {
  if (condition) return;
  ++unexpected;
  std::printf("unexpected: %s (errno %d, %s)\n", what, errno, accllmEmuLastError());
}

void set_fault(xrtDeviceHandle device, Fault kind) {
  expect(accllmEmuSetFault(device, static_cast<std::uint32_t>(kind), 0, 0) == 0, "fault set");
}

/// Allocates, fills, syncs and frees a buffer that no run uses, in a bank that they share, until told to
/// stop.
void disturb(xrtDeviceHandle device, xrtMemoryGroup group, const std::atomic<bool>& stop) {
  while (!stop) {
    xrtBufferHandle buffer = xrtBOAlloc(device, buffer_bytes, 0, group);
    if (!buffer) {
      expect(errno == ENOMEM, "allocation fails for want of memory only");
      continue;
    }
    auto* map = static_cast<unsigned char*>(xrtBOMap(buffer));
    std::memset(map, 0x5a, buffer_bytes);
    expect(xrtBOSync(buffer, XCL_BO_SYNC_BO_TO_DEVICE, buffer_bytes, 0) == 0, "sync to the device");
    std::memset(map, 0, buffer_bytes);
    expect(xrtBOSync(buffer, XCL_BO_SYNC_BO_FROM_DEVICE, buffer_bytes, 0) == 0, "sync from the device");
    expect(map[0] == 0x5a && map[buffer_bytes - 1] == 0x5a, "memory keeps what was synced");
    expect(xrtBOFree(buffer) == 0, "free");
  }
}

struct Session {
  xrtDeviceHandle device;
  xrtKernelHandle kernel;
  xrtBufferHandle buffers[memory_arguments];

  explicit Session(const char* xclbin) : device(xrtDeviceOpen(0)) {
    xuid_t uuid;
    expect(xrtDeviceLoadXclbinFile(device, xclbin) == 0, "load");
    expect(xrtDeviceGetXclbinUUID(device, uuid) == 0, "uuid");
    kernel = xrtPLKernelOpen(device, uuid, "accllm");
    for (int i = 0; i < memory_arguments; ++i)
      buffers[i] =
          xrtBOAlloc(device, buffer_bytes, 0, static_cast<xrtMemoryGroup>(xrtKernelArgGroupId(kernel, i)));
  }

  ~Session() {
    for (auto* buffer : buffers) expect(xrtBOFree(buffer) == 0, "free of an argument");
    expect(xrtKernelClose(kernel) == 0, "kernel closed");
    expect(xrtDeviceClose(device) == 0, "device closed");
  }

  xrtRunHandle open_run(std::uint32_t job) const {
    xrtRunHandle run = xrtRunOpen(kernel);
    for (int i = 0; i < memory_arguments; ++i) expect(xrtRunSetArg(run, i, buffers[i]) == 0, "buffer set");
    expect(xrtRunSetArg(run, memory_arguments, job) == 0, "job set");
    return run;
  }

  void round(int kind) const {
    xrtRunHandle run = open_run(kind == 3 ? job_until_cancelled : 1);
    if (kind == 1) set_fault(device, Fault::run_hangs);
    if (kind == 2) set_fault(device, Fault::run_fails);
    if (kind == 4) set_fault(device, Fault::out_of_memory);
    expect(xrtRunStart(run) == 0, "start");
    if (kind == 1 || kind == 3) {
      expect(xrtRunWaitFor(run, 1) == ERT_CMD_STATE_TIMEOUT, "a hanging run is waited for in vain");
      expect(xrtRunStart(run) == -1 && errno == EBUSY, "a running run is not started again");
      // Half of them are closed while they run.
      if (kind == 1) {
        expect(accllmEmuRunAbort(run) == 0, "abort");
        expect(xrtRunWait(run) == ERT_CMD_STATE_ABORT, "aborted state");
      }
    } else {
      expect(xrtRunWait(run) == (kind == 2 ? ERT_CMD_STATE_ERROR : ERT_CMD_STATE_COMPLETED), "final state");
    }
    if (kind == 4) {
      expect(xrtBOAlloc(device, 64, 0, 0) == nullptr && errno == ENOMEM, "out of memory");
    }
    expect(xrtRunClose(run) == 0, "run closed");
    set_fault(device, Fault::none);
  }
};

/// The device falls off the bus under a run.
void lose_device(const char* xclbin) {
  Session session(xclbin);
  xrtRunHandle run = session.open_run(job_until_cancelled);
  expect(xrtRunStart(run) == 0, "start");
  set_fault(session.device, Fault::device_lost);
  expect(xrtRunWait(run) == ERT_CMD_STATE_ERROR, "a run on a lost device ends in the error state");
  expect(xrtRunStart(run) == -1 && errno == ENODEV, "no start on a lost device");
  expect(xrtRunClose(run) == 0, "run closed");
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) return 2;
  const int runs = std::atoi(argv[2]);
  std::mt19937 random(static_cast<unsigned>(std::atoi(argv[3])));
  {
    Session session(argv[1]);
    std::atomic<bool> stop{false};
    std::thread other(disturb, session.device, 0u, std::cref(stop));
    // Hanging runs cost a millisecond each: one in twenty of either sort.
    for (int i = 0; i < runs; ++i) {
      const auto draw = random() % 20;
      session.round(draw < 5 ? static_cast<int>(draw) : 0);
    }
    stop = true;
    other.join();
  }
  for (int i = 0; i < 20; ++i) lose_device(argv[1]);
  std::printf("%d runs, %d unexpected\n", runs, unexpected.load());
  return unexpected == 0 ? 0 : 1;
}
