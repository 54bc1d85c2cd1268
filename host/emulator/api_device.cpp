#include <cerrno>
#include <cstring>
#include <limits>

#include "boundary.hpp"
#include "emulator_api.hpp"

// Devices, xclbins and kernels of XRT's C API.
using namespace accllm::emulator;

namespace {

constexpr const char* emulated_bdf = "0000:00:00.0";
constexpr std::size_t axlf_length_offset = 304;

/// A copy of a complete axlf in memory, whose length is the one that its header states.
std::vector<std::byte> copy_image(const void* image) {
  std::uint64_t length;
  std::memcpy(&length, static_cast<const std::byte*>(image) + axlf_length_offset, sizeof length);
  if (length > std::numeric_limits<int>::max()) throw ApiError(EINVAL, "invalid xclbin: length over 2 GiB");
  const auto* bytes = static_cast<const std::byte*>(image);
  return std::vector<std::byte>(bytes, bytes + length);
}

Uuid to_uuid(const unsigned char* bytes) {
  Uuid uuid;
  std::memcpy(uuid.data(), bytes, uuid.size());
  return uuid;
}

}  // namespace

xrtDeviceHandle xrtDeviceOpen(unsigned int index) {
  return guarded<void*>(nullptr, [&] {
    if (index != 0)
      throw ApiError(ENODEV, "Could not open device with index '" + std::to_string(index) + "'");
    return devices().add(std::make_shared<Device>());
  });
}

xrtDeviceHandle xrtDeviceOpenByBDF(const char* bdf) {
  return guarded<void*>(nullptr, [&] {
    if (std::strcmp(required(bdf, "bdf"), emulated_bdf) != 0)
      throw ApiError(ENODEV, std::string("No such device '") + bdf + "'");
    return devices().add(std::make_shared<Device>());
  });
}

int xrtDeviceClose(xrtDeviceHandle device) {
  return guarded(-1, [&] {
    devices().remove(device);
    return 0;
  });
}

int xrtDeviceLoadXclbin(xrtDeviceHandle device, const struct axlf* xclbin) {
  return guarded(-1, [&] {
    devices().get(device)->load(parse_xclbin(copy_image(required(xclbin, "xclbin"))));
    return 0;
  });
}

int xrtDeviceLoadXclbinFile(xrtDeviceHandle device, const char* path) {
  return guarded(-1, [&] {
    const auto target = devices().get(device);
    target->load(read_xclbin(required(path, "path")));
    return 0;
  });
}

int xrtDeviceLoadXclbinHandle(xrtDeviceHandle device, xrtXclbinHandle xclbin) {
  return guarded(-1, [&] {
    devices().get(device)->load(*xclbins().get(xclbin));
    return 0;
  });
}

int xrtDeviceGetXclbinUUID(xrtDeviceHandle device, xuid_t out) {
  return guarded(-1, [&] {
    const auto design = devices().get(device)->design();
    std::memcpy(required(out, "uuid"), design->xclbin.uuid.data(), 16);
    return 0;
  });
}

xrtXclbinHandle xrtXclbinAllocFilename(const char* path) {
  return guarded<void*>(
      nullptr, [&] { return xclbins().add(std::make_shared<Xclbin>(read_xclbin(required(path, "path")))); });
}

xrtXclbinHandle xrtXclbinAllocRawData(const char* data, int size) {
  return guarded<void*>(nullptr, [&] {
    if (size < 0) throw ApiError(EINVAL, "negative size");
    const auto* bytes = reinterpret_cast<const std::byte*>(required(data, "data"));
    return xclbins().add(std::make_shared<Xclbin>(parse_xclbin({bytes, bytes + size})));
  });
}

int xrtXclbinFreeHandle(xrtXclbinHandle xclbin) {
  return guarded(-1, [&] {
    xclbins().remove(xclbin);
    return 0;
  });
}

int xrtXclbinGetXSAName(xrtXclbinHandle xclbin, char* name, int size, int* ret_size) {
  return guarded(-1, [&] {
    const std::string& platform = xclbins().get(xclbin)->platform;
    if (ret_size) *ret_size = static_cast<int>(platform.size()) + 1;
    if (name && size > 0) {
      std::strncpy(name, platform.c_str(), static_cast<std::size_t>(size));
      name[size - 1] = '\0';
    }
    return 0;
  });
}

int xrtXclbinGetUUID(xrtXclbinHandle xclbin, xuid_t out) {
  return guarded(-1, [&] {
    std::memcpy(required(out, "uuid"), xclbins().get(xclbin)->uuid.data(), 16);
    return 0;
  });
}

std::size_t xrtXclbinGetNumKernels(xrtXclbinHandle xclbin) {
  return guarded(std::size_t{0}, [&] { return xclbins().get(xclbin)->kernels.size(); });
}

std::size_t xrtXclbinGetNumKernelComputeUnits(xrtXclbinHandle xclbin) {
  return guarded(std::size_t{0}, [&] {
    std::size_t units = 0;
    for (const KernelDescription& kernel : xclbins().get(xclbin)->kernels) units += kernel.instances.size();
    return units;
  });
}

xrtKernelHandle xrtPLKernelOpen(xrtDeviceHandle device, const xuid_t uuid, const char* name) {
  return guarded<void*>(nullptr, [&] {
    return kernels().add(std::make_shared<Kernel>(devices().get(device), to_uuid(required(uuid, "uuid")),
                                                  required(name, "name")));
  });
}

xrtKernelHandle xrtPLKernelOpenExclusive(xrtDeviceHandle device, const xuid_t uuid, const char* name) {
  return xrtPLKernelOpen(device, uuid, name);
}

int xrtKernelClose(xrtKernelHandle kernel) {
  return guarded(-1, [&] {
    kernels().remove(kernel);
    return 0;
  });
}

int xrtKernelArgGroupId(xrtKernelHandle kernel, int index) {
  return guarded(-1, [&] { return static_cast<int>(kernels().get(kernel)->group(index)); });
}

std::uint32_t xrtKernelArgOffset(xrtKernelHandle kernel, int index) {
  return guarded(std::numeric_limits<std::uint32_t>::max(),
                 [&] { return kernels().get(kernel)->argument(index).offset; });
}

int accllmEmuSetFault(xrtDeviceHandle device, std::uint32_t kind, std::uint64_t address, std::uint32_t bit) {
  return guarded(-1, [&] {
    devices().get(device)->set_fault(static_cast<Fault>(kind), address, bit);
    return 0;
  });
}

int accllmEmuSetEngine(xrtDeviceHandle device, const char* name) {
  return guarded(-1, [&] {
    devices().get(device)->set_engine(required(name, "name"));
    return 0;
  });
}

std::uint64_t accllmEmuEccErrors(xrtDeviceHandle device) {
  return guarded(std::uint64_t{0}, [&] { return devices().get(device)->faults()->ecc_errors.load(); });
}

const char* accllmEmuLastError() { return last_error(); }
