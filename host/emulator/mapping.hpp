#pragma once

#include <cstddef>

namespace accllm::emulator {

/// Anonymous zeroed pages, reserved without being committed, unmapped at the end. A page costs memory only
/// once it is written, so that 32 HBM banks and 32 GB of DDR fit into any machine.
class Mapping {
 public:
  /// Throws ApiError (ENOMEM) when the address space does not hold `bytes`.
  explicit Mapping(std::size_t bytes);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::byte* data() const noexcept { return data_; }
  std::size_t bytes() const noexcept { return bytes_; }
  /// Gives whole pages back to the system; they read as zero afterwards. Offset and size in whole pages.
  void discard(std::size_t offset, std::size_t bytes) noexcept;
  /// Puts a file's own pages in place, which are copied where they are written. All in whole pages. Throws
  /// ApiError with mmap's errno.
  void place(std::size_t offset, int file, std::size_t file_offset, std::size_t bytes);

 private:
  std::byte* data_;
  std::size_t bytes_;
};

constexpr std::size_t page_bytes = 4096;
constexpr std::size_t round_to_page(std::size_t bytes) {
  return (bytes + page_bytes - 1) / page_bytes * page_bytes;
}

}  // namespace accllm::emulator
