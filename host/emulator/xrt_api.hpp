#pragma once

#include <cstddef>
#include <cstdint>

#include "xrt_types.hpp"

// The part of XRT's native C API that the emulator exports: signatures and return codes of
// libxrt_coreutil.so.2 (XRT 2.13, headers xrt/xrt_device.h, xrt/xrt_bo.h, xrt/xrt_kernel.h,
// experimental/xrt_xclbin.h). Errors are null, -1, the largest value of an unsigned type, or
// ERT_CMD_STATE_ABORT, and errno is set.
#define ACCLLM_EXPORT __attribute__((visibility("default")))

extern "C" {

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
ACCLLM_EXPORT std::size_t xrtXclbinGetNumKernels(xrtXclbinHandle xclbin);
ACCLLM_EXPORT std::size_t xrtXclbinGetNumKernelComputeUnits(xrtXclbinHandle xclbin);

ACCLLM_EXPORT xrtKernelHandle xrtPLKernelOpen(xrtDeviceHandle device, const xuid_t uuid, const char* name);
ACCLLM_EXPORT xrtKernelHandle xrtPLKernelOpenExclusive(xrtDeviceHandle device, const xuid_t uuid,
                                                       const char* name);
ACCLLM_EXPORT int xrtKernelClose(xrtKernelHandle kernel);
ACCLLM_EXPORT int xrtKernelArgGroupId(xrtKernelHandle kernel, int index);
ACCLLM_EXPORT std::uint32_t xrtKernelArgOffset(xrtKernelHandle kernel, int index);

ACCLLM_EXPORT xrtBufferHandle xrtBOAlloc(xrtDeviceHandle device, std::size_t size, xrtBufferFlags flags,
                                         xrtMemoryGroup group);
ACCLLM_EXPORT xrtBufferHandle xrtBOAllocUserPtr(xrtDeviceHandle device, void* memory, std::size_t size,
                                                xrtBufferFlags flags, xrtMemoryGroup group);
ACCLLM_EXPORT xrtBufferHandle xrtBOSubAlloc(xrtBufferHandle parent, std::size_t size, std::size_t offset);
ACCLLM_EXPORT int xrtBOFree(xrtBufferHandle buffer);
ACCLLM_EXPORT std::size_t xrtBOSize(xrtBufferHandle buffer);
ACCLLM_EXPORT std::uint64_t xrtBOAddress(xrtBufferHandle buffer);
ACCLLM_EXPORT void* xrtBOMap(xrtBufferHandle buffer);
ACCLLM_EXPORT int xrtBOSync(xrtBufferHandle buffer, enum xclBOSyncDirection direction, std::size_t size,
                            std::size_t offset);
ACCLLM_EXPORT int xrtBOWrite(xrtBufferHandle buffer, const void* source, std::size_t size, std::size_t seek);
ACCLLM_EXPORT int xrtBORead(xrtBufferHandle buffer, void* target, std::size_t size, std::size_t skip);
ACCLLM_EXPORT int xrtBOCopy(xrtBufferHandle target, xrtBufferHandle source, std::size_t size,
                            std::size_t target_offset, std::size_t source_offset);

ACCLLM_EXPORT xrtRunHandle xrtRunOpen(xrtKernelHandle kernel);
ACCLLM_EXPORT xrtRunHandle xrtKernelRun(xrtKernelHandle kernel, ...);
ACCLLM_EXPORT int xrtRunSetArg(xrtRunHandle run, int index, ...);
ACCLLM_EXPORT int xrtRunStart(xrtRunHandle run);
ACCLLM_EXPORT enum ert_cmd_state xrtRunWait(xrtRunHandle run);
ACCLLM_EXPORT enum ert_cmd_state xrtRunWaitFor(xrtRunHandle run, unsigned int timeout_ms);
ACCLLM_EXPORT enum ert_cmd_state xrtRunState(xrtRunHandle run);
ACCLLM_EXPORT int xrtRunClose(xrtRunHandle run);

}  // extern "C"
