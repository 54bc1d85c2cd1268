#pragma once

#include <cstdint>

// Types of XRT's native C API, as its headers declare them. A program that includes XRT's own headers first
// gets those; contract tests compile both together.
#ifndef _XRT_DEVICE_H_
extern "C" {
typedef void* xrtDeviceHandle;
typedef void* xrtBufferHandle;
typedef void* xrtKernelHandle;
typedef void* xrtRunHandle;
typedef void* xrtXclbinHandle;
typedef std::uint64_t xrtBufferFlags;
typedef std::uint32_t xrtMemoryGroup;
typedef unsigned char xuid_t[16];
struct axlf;

enum xclBOSyncDirection {
  XCL_BO_SYNC_BO_TO_DEVICE = 0,
  XCL_BO_SYNC_BO_FROM_DEVICE = 1,
};

enum ert_cmd_state {
  ERT_CMD_STATE_NEW = 1,
  ERT_CMD_STATE_QUEUED = 2,
  ERT_CMD_STATE_RUNNING = 3,
  ERT_CMD_STATE_COMPLETED = 4,
  ERT_CMD_STATE_ERROR = 5,
  ERT_CMD_STATE_ABORT = 6,
  ERT_CMD_STATE_SUBMITTED = 7,
  ERT_CMD_STATE_TIMEOUT = 8,
};
}

constexpr std::uint64_t XCL_BO_FLAGS_CACHEABLE = std::uint64_t{1} << 24;
constexpr std::uint64_t XCL_BO_FLAGS_DEV_ONLY = std::uint64_t{1} << 28;
constexpr std::uint64_t XRT_BO_FLAGS_MEMIDX_MASK = 0xFFFFFF;
#endif
