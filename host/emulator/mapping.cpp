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
  if (bytes != 0) madvise(data_ + offset, bytes, MADV_DONTNEED);
}

}  // namespace accllm::emulator
