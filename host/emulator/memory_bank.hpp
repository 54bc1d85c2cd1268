#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "mapping.hpp"

namespace accllm::emulator {

/// One memory bank of the card: an address range, its bytes, and which parts of it buffers hold. The bytes
/// are reserved when the first buffer is allocated.
class MemoryBank {
 public:
  MemoryBank(std::string name, std::uint64_t base, std::uint64_t bytes);

  const std::string& name() const noexcept { return name_; }
  std::uint64_t base() const noexcept { return base_; }
  std::uint64_t bytes() const noexcept { return bytes_; }

  /// First fit on whole pages; returns the offset in the bank. Throws ApiError (ENOMEM) when no gap is large
  /// enough.
  std::uint64_t allocate(std::uint64_t bytes);
  /// Frees what `allocate` returned. The content is lost.
  void release(std::uint64_t offset) noexcept;
  /// Puts a file's pages into what `allocate` returned, see Mapping::place.
  void place(std::uint64_t offset, int file, std::size_t file_offset, std::size_t bytes) {
    storage_->place(offset, file, file_offset, bytes);
  }
  std::byte* at(std::uint64_t offset) const noexcept { return storage_->data() + offset; }
  /// Whether a buffer holds the byte at `offset`.
  bool holds(std::uint64_t offset) const;
  /// Inverts a bit of the byte at `offset`, which a buffer holds.
  void flip(std::uint64_t offset, std::uint32_t bit) noexcept;
  /// How often `flip` was called.
  std::uint64_t faults() const noexcept { return faults_; }

 private:
  const std::string name_;
  const std::uint64_t base_;
  const std::uint64_t bytes_;
  mutable std::mutex mutex_;
  std::atomic<std::uint64_t> faults_{0};
  std::unique_ptr<Mapping> storage_;
  std::map<std::uint64_t, std::uint64_t> allocated_;  // offset -> bytes, whole pages
};

}  // namespace accllm::emulator
