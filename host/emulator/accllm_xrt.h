#ifndef ACCLLM_XRT_H
#define ACCLLM_XRT_H

/* The part of XRT's native C API that the emulator (libaccllm_emu.so) exports, for C and C++ programs where
 * XRT's own headers are not installed: signatures, types and return codes of libxrt_coreutil.so.2 (XRT 2.13,
 * headers xrt/xrt_device.h, xrt/xrt_bo.h, xrt/xrt_kernel.h, experimental/xrt_xclbin.h). Errors are null, -1,
 * the largest value of an unsigned type, or ERT_CMD_STATE_ABORT, and errno is set. A program that includes
 * XRT's headers first gets those types; contract tests compile both together. `accllm env` prints the flags
 * to link with. */

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#ifndef _XRT_DEVICE_H_
typedef void* xrtDeviceHandle;
typedef void* xrtBufferHandle;
typedef void* xrtKernelHandle;
typedef void* xrtRunHandle;
typedef void* xrtXclbinHandle;
typedef uint64_t xrtBufferFlags;
typedef uint32_t xrtMemoryGroup;
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

#define XCL_BO_FLAGS_CACHEABLE (UINT64_C(1) << 24)
#define XCL_BO_FLAGS_DEV_ONLY (UINT64_C(1) << 28)
#define XRT_BO_FLAGS_NONE 0
#define XRT_BO_FLAGS_MEMIDX_MASK UINT64_C(0xFFFFFF)
#endif

#define ACCLLM_EXPORT __attribute__((visibility("default")))

ACCLLM_EXPORT xrtDeviceHandle xrtDeviceOpen(unsigned int index);
ACCLLM_EXPORT xrtDeviceHandle xrtDeviceOpenByBDF(const char* bdf);
ACCLLM_EXPORT int xrtDeviceClose(xrtDeviceHandle device);
ACCLLM_EXPORT int xrtDeviceLoadXclbin(xrtDeviceHandle device, const struct axlf* xclbin);
ACCLLM_EXPORT int xrtDeviceLoadXclbinFile(xrtDeviceHandle device, const char* path);
ACCLLM_EXPORT int xrtDeviceLoadXclbinHandle(xrtDeviceHandle device, xrtXclbinHandle xclbin);
ACCLLM_EXPORT int xrtDeviceGetXclbinUUID(xrtDeviceHandle device, xuid_t out);

ACCLLM_EXPORT xrtXclbinHandle xrtXclbinAllocFilename(const char* path);
ACCLLM_EXPORT xrtXclbinHandle xrtXclbinAllocRawData(const char* data, int size);
ACCLLM_EXPORT int xrtXclbinFreeHandle(xrtXclbinHandle xclbin);
ACCLLM_EXPORT int xrtXclbinGetXSAName(xrtXclbinHandle xclbin, char* name, int size, int* ret_size);
ACCLLM_EXPORT int xrtXclbinGetUUID(xrtXclbinHandle xclbin, xuid_t out);
ACCLLM_EXPORT size_t xrtXclbinGetNumKernels(xrtXclbinHandle xclbin);
ACCLLM_EXPORT size_t xrtXclbinGetNumKernelComputeUnits(xrtXclbinHandle xclbin);

ACCLLM_EXPORT xrtKernelHandle xrtPLKernelOpen(xrtDeviceHandle device, const xuid_t uuid, const char* name);
ACCLLM_EXPORT xrtKernelHandle xrtPLKernelOpenExclusive(xrtDeviceHandle device, const xuid_t uuid,
                                                       const char* name);
ACCLLM_EXPORT int xrtKernelClose(xrtKernelHandle kernel);
ACCLLM_EXPORT int xrtKernelArgGroupId(xrtKernelHandle kernel, int index);
ACCLLM_EXPORT uint32_t xrtKernelArgOffset(xrtKernelHandle kernel, int index);

ACCLLM_EXPORT xrtBufferHandle xrtBOAlloc(xrtDeviceHandle device, size_t size, xrtBufferFlags flags,
                                         xrtMemoryGroup group);
ACCLLM_EXPORT xrtBufferHandle xrtBOAllocUserPtr(xrtDeviceHandle device, void* memory, size_t size,
                                                xrtBufferFlags flags, xrtMemoryGroup group);
ACCLLM_EXPORT xrtBufferHandle xrtBOSubAlloc(xrtBufferHandle parent, size_t size, size_t offset);
ACCLLM_EXPORT int xrtBOFree(xrtBufferHandle buffer);
ACCLLM_EXPORT size_t xrtBOSize(xrtBufferHandle buffer);
ACCLLM_EXPORT uint64_t xrtBOAddress(xrtBufferHandle buffer);
ACCLLM_EXPORT void* xrtBOMap(xrtBufferHandle buffer);
ACCLLM_EXPORT int xrtBOSync(xrtBufferHandle buffer, enum xclBOSyncDirection direction, size_t size,
                            size_t offset);
ACCLLM_EXPORT int xrtBOWrite(xrtBufferHandle buffer, const void* source, size_t size, size_t seek);
ACCLLM_EXPORT int xrtBORead(xrtBufferHandle buffer, void* target, size_t size, size_t skip);
ACCLLM_EXPORT int xrtBOCopy(xrtBufferHandle target, xrtBufferHandle source, size_t size, size_t target_offset,
                            size_t source_offset);

ACCLLM_EXPORT xrtRunHandle xrtRunOpen(xrtKernelHandle kernel);
ACCLLM_EXPORT xrtRunHandle xrtKernelRun(xrtKernelHandle kernel, ...);
ACCLLM_EXPORT int xrtRunSetArg(xrtRunHandle run, int index, ...);
ACCLLM_EXPORT int xrtRunStart(xrtRunHandle run);
ACCLLM_EXPORT enum ert_cmd_state xrtRunWait(xrtRunHandle run);
ACCLLM_EXPORT enum ert_cmd_state xrtRunWaitFor(xrtRunHandle run, unsigned int timeout_ms);
ACCLLM_EXPORT enum ert_cmd_state xrtRunState(xrtRunHandle run);
ACCLLM_EXPORT int xrtRunClose(xrtRunHandle run);

#ifdef __cplusplus
}
#endif

#endif
