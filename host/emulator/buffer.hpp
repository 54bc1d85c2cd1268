#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "device.hpp"
#include "mapping.hpp"

namespace accllm::emulator {

enum class Direction { to_device, from_device };

/// A buffer object: a range of one memory bank and host memory of the same size. The two are separate
/// memories; `sync` is the only way between them.
class Buffer {
 public:
  /// Offset of a sync must be a multiple of this: the width of the card's memory bus.
  static constexpr std::size_t sync_alignment = 64;

  /// `group` is an index into GROUP_TOPOLOGY. `user` is host memory of the caller, page aligned, or null.
  /// Throws ApiError (EINVAL for size 0, unknown or unused group, misaligned pointer; ENOMEM when it does not
  /// fit).
  static std::shared_ptr<Buffer> allocate(std::shared_ptr<Device> device, std::size_t bytes,
                                          std::uint32_t group, bool device_only, void* user);
  /// A range of `parent`. Throws ApiError (EINVAL) when it reaches over the parent's end.
  static std::shared_ptr<Buffer> slice(std::shared_ptr<Buffer> parent, std::size_t bytes, std::size_t offset);
  ~Buffer();
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  std::size_t bytes() const noexcept { return bytes_; }
  std::uint64_t address() const noexcept { return bank_->base() + offset_; }
  std::byte* device_memory() const noexcept { return bank_->at(offset_); }
  /// See PortMemory::generation.
  std::uint64_t generation() const noexcept { return *generation_ + bank_->faults(); }
  /// Throws ApiError (EINVAL) for a device-only buffer.
  std::byte* host_memory() const;
  const MemoryBank& bank() const noexcept { return *bank_; }
  const std::shared_ptr<Device>& device() const noexcept { return device_; }

  /// Throws ApiError (EINVAL) over the end, misaligned, or without host memory; (ENODEV) when the device is
  /// lost.
  void sync(Direction direction, std::size_t bytes, std::size_t offset) const;
  /// Device memory from the buffer's start on becomes a file's own pages. Throws ApiError (EINVAL over the
  /// end, for a slice or for parts of pages; ENODEV when the device is lost; mmap's errno).
  void take_file(int file, std::size_t file_offset, std::size_t bytes) const;
  void write(const void* source, std::size_t bytes, std::size_t offset) const;
  void read(void* target, std::size_t bytes, std::size_t offset) const;
  /// Copies in device memory. Throws ApiError (EINVAL) for size 0 or over either end.
  void copy_from(const Buffer& source, std::size_t bytes, std::size_t offset,
                 std::size_t source_offset) const;

 private:
  Buffer(std::shared_ptr<Device> device, std::shared_ptr<Design> design, std::shared_ptr<MemoryBank> bank);
  void require_range(const char* what, std::size_t bytes, std::size_t offset) const;

  std::shared_ptr<Device> device_;
  std::shared_ptr<Design> design_;
  std::shared_ptr<MemoryBank> bank_;
  std::shared_ptr<Buffer> parent_;
  /// Shared with all slices of a buffer; numbers are never used twice.
  std::shared_ptr<std::atomic<std::uint64_t>> generation_;
  std::optional<Mapping> host_;
  std::byte* host_memory_ = nullptr;
  std::uint64_t offset_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace accllm::emulator
