#include <cerrno>
#include <limits>

#include "boundary.hpp"
#include "emulator_api.hpp"
#include "accllm_xrt.h"

// Buffer objects of XRT's C API.
using namespace accllm::emulator;

namespace {

void* allocate(xrtDeviceHandle device, std::size_t size, xrtBufferFlags flags, xrtMemoryGroup group,
               void* user) {
  const xrtBufferFlags type = flags & ~static_cast<xrtBufferFlags>(XRT_BO_FLAGS_MEMIDX_MASK);
  if (type != 0 && type != XCL_BO_FLAGS_CACHEABLE && type != XCL_BO_FLAGS_DEV_ONLY)
    throw ApiError(EOPNOTSUPP, "the emulator has normal, cacheable and device-only buffers");
  const bool device_only = type == XCL_BO_FLAGS_DEV_ONLY;
  return buffers().add(Buffer::allocate(devices().get(device), size, group, device_only, user));
}

}  // namespace

xrtBufferHandle xrtBOAlloc(xrtDeviceHandle device, std::size_t size, xrtBufferFlags flags,
                           xrtMemoryGroup group) {
  return guarded<void*>(nullptr, [&] { return allocate(device, size, flags, group, nullptr); });
}

xrtBufferHandle xrtBOAllocUserPtr(xrtDeviceHandle device, void* memory, std::size_t size,
                                  xrtBufferFlags flags, xrtMemoryGroup group) {
  return guarded<void*>(nullptr,
                        [&] { return allocate(device, size, flags, group, required(memory, "userptr")); });
}

xrtBufferHandle xrtBOSubAlloc(xrtBufferHandle parent, std::size_t size, std::size_t offset) {
  return guarded<void*>(nullptr,
                        [&] { return buffers().add(Buffer::slice(buffers().get(parent), size, offset)); });
}

int xrtBOFree(xrtBufferHandle buffer) {
  return guarded(-1, [&] {
    buffers().remove(buffer);
    return 0;
  });
}

std::size_t xrtBOSize(xrtBufferHandle buffer) {
  return guarded(std::numeric_limits<std::size_t>::max(), [&] { return buffers().get(buffer)->bytes(); });
}

std::uint64_t xrtBOAddress(xrtBufferHandle buffer) {
  return guarded(std::numeric_limits<std::uint64_t>::max(), [&] { return buffers().get(buffer)->address(); });
}

void* xrtBOMap(xrtBufferHandle buffer) {
  return guarded<void*>(nullptr, [&] { return buffers().get(buffer)->host_memory(); });
}

int xrtBOSync(xrtBufferHandle buffer, enum xclBOSyncDirection direction, std::size_t size,
              std::size_t offset) {
  return guarded(-1, [&] {
    if (direction != XCL_BO_SYNC_BO_TO_DEVICE && direction != XCL_BO_SYNC_BO_FROM_DEVICE)
      throw ApiError(EINVAL, "unknown direction of sync");
    const bool to_device = direction == XCL_BO_SYNC_BO_TO_DEVICE;
    buffers().get(buffer)->sync(to_device ? Direction::to_device : Direction::from_device, size, offset);
    return 0;
  });
}

int xrtBOWrite(xrtBufferHandle buffer, const void* source, std::size_t size, std::size_t seek) {
  return guarded(-1, [&] {
    buffers().get(buffer)->write(required(source, "source"), size, seek);
    return 0;
  });
}

int xrtBORead(xrtBufferHandle buffer, void* target, std::size_t size, std::size_t skip) {
  return guarded(-1, [&] {
    buffers().get(buffer)->read(required(target, "target"), size, skip);
    return 0;
  });
}

int xrtBOCopy(xrtBufferHandle target, xrtBufferHandle source, std::size_t size, std::size_t target_offset,
              std::size_t source_offset) {
  return guarded(-1, [&] {
    buffers().get(target)->copy_from(*buffers().get(source), size, target_offset, source_offset);
    return 0;
  });
}

int accllmEmuTakeFile(xrtBufferHandle buffer, int file, std::size_t offset, std::size_t size) {
  return guarded(-1, [&] {
    buffers().get(buffer)->take_file(file, offset, size);
    return 0;
  });
}
