#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace accllm::emulator {

using Uuid = std::array<unsigned char, 16>;

/// Lower-case hex with dashes.
std::string to_string(const Uuid& uuid);

/// An entry of MEM_TOPOLOGY or GROUP_TOPOLOGY.
struct MemoryEntry {
  std::string tag;
  bool used;
  std::uint64_t base;
  std::uint64_t bytes;
};

struct KernelArgument {
  std::string name;
  std::string type;
  bool global;                          ///< A pointer to device memory; otherwise a scalar.
  std::uint32_t offset;                 ///< In the kernel's register space.
  std::size_t bytes;                    ///< Size of the scalar.
  std::vector<std::uint32_t> groups{};  ///< GROUP_TOPOLOGY indices that the argument is connected to.
};

struct KernelDescription {
  std::string name;
  std::vector<std::string> instances;     ///< Compute units, from IP_LAYOUT.
  std::vector<KernelArgument> arguments;  ///< By index.
};

/// What the emulator needs of an xclbin file, checked against the file while it is read.
struct Xclbin {
  Uuid uuid;
  std::uint16_t mode;
  std::string platform;
  std::vector<MemoryEntry> memories;
  std::vector<MemoryEntry> groups;
  std::vector<KernelDescription> kernels;
  std::vector<std::byte> image;  ///< The whole file.
};

constexpr std::uint16_t mode_sw_emu = 5;

/// Throws ApiError (EINVAL) naming what is wrong.
Xclbin parse_xclbin(std::vector<std::byte> image);
/// Throws ApiError (errno of open or read, EFBIG above 2 GiB) as well.
Xclbin read_xclbin(const std::string& path);

}  // namespace accllm::emulator
