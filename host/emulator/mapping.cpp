#include "mapping.hpp"

#include <cerrno>
#include <string>

#include <sys/mman.h>

#include "api_error.hpp"

namespace accllm::emulator {

Mapping::Mapping(std::size_t bytes) : data_(nullptr), bytes_(bytes) {
  void* pages =
      mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (pages == MAP_FAILED) throw ApiError(ENOMEM, "no address space for " + std::to_string(bytes) + " bytes");
  data_ = static_cast<std::byte*>(pages);
}

Mapping::~Mapping() { munmap(data_, bytes_); }

void Mapping::discard(std::size_t offset, std::size_t bytes) noexcept {
  if (bytes == 0) return;
  // Pages of a file would read as the file again after MADV_DONTNEED.
  mmap(data_ + offset, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED,
       -1, 0);
}

void Mapping::place(std::size_t offset, int file, std::size_t file_offset, std::size_t bytes) {
  const void* placed = mmap(data_ + offset, bytes, PROT_READ | PROT_WRITE,
                            MAP_PRIVATE | MAP_NORESERVE | MAP_FIXED, file, static_cast<off_t>(file_offset));
  if (placed == MAP_FAILED) throw ApiError(errno, "the file cannot be mapped");
}

}  // namespace accllm::emulator
