#include "buffer.hpp"

#include <cerrno>
#include <cstring>
#include <string>
#include <utility>

#include "api_error.hpp"

namespace accllm::emulator {

namespace {

/// The used banks that a group covers. A group over several banks is one address range in GROUP_TOPOLOGY; a
/// buffer here lies in one bank of it.
std::vector<std::shared_ptr<MemoryBank>> banks_of(const Design& design, std::uint32_t group) {
  if (group >= design.xclbin.groups.size())
    throw ApiError(EINVAL, "memory group " + std::to_string(group) + " does not exist");
  const MemoryEntry& entry = design.xclbin.groups[group];
  std::vector<std::shared_ptr<MemoryBank>> banks;
  for (const auto& bank : design.banks)
    if (bank && bank->base() >= entry.base && bank->base() - entry.base < entry.bytes) banks.push_back(bank);
  if (!entry.used || banks.empty())
    throw ApiError(EINVAL, "memory bank " + entry.tag + " is marked as unused in the xclbin");
  return banks;
}

std::pair<std::shared_ptr<MemoryBank>, std::uint64_t> reserve(
    const std::vector<std::shared_ptr<MemoryBank>>& banks, std::size_t bytes) {
  for (std::size_t i = 0;; ++i) {
    try {
      return {banks[i], banks[i]->allocate(bytes)};
    } catch (const ApiError&) {
      if (i + 1 == banks.size()) throw;
    }
  }
}

std::uint64_t new_generation() {
  static std::atomic<std::uint64_t> last{0};
  return ++last;
}

}  // namespace

Buffer::Buffer(std::shared_ptr<Device> device, std::shared_ptr<Design> design,
               std::shared_ptr<MemoryBank> bank)
    : device_(std::move(device)), design_(std::move(design)), bank_(std::move(bank)) {}

std::shared_ptr<Buffer> Buffer::allocate(std::shared_ptr<Device> device, std::size_t bytes,
                                         std::uint32_t group, bool device_only, void* user) {
  auto design = device->design();
  if (bytes == 0) throw ApiError(EINVAL, "a buffer of 0 bytes");
  if (device->faults()->out_of_memory) throw ApiError(ENOMEM, "std::bad_alloc: out of device memory");
  if (user && reinterpret_cast<std::uintptr_t>(user) % page_bytes != 0)
    throw ApiError(EINVAL, "userptr is not aligned");
  std::optional<Mapping> host;
  const auto banks = banks_of(*design, group);
  auto [bank, offset] = reserve(banks, bytes);
  std::shared_ptr<Buffer> buffer(new Buffer(std::move(device), std::move(design), std::move(bank)));
  buffer->offset_ = offset;
  buffer->bytes_ = bytes;
  buffer->generation_ = std::make_shared<std::atomic<std::uint64_t>>(new_generation());
  if (user) {
    buffer->host_memory_ = static_cast<std::byte*>(user);
  } else if (!device_only) {
    buffer->host_.emplace(round_to_page(bytes));
    buffer->host_memory_ = buffer->host_->data();
  }
  return buffer;
}

std::shared_ptr<Buffer> Buffer::slice(std::shared_ptr<Buffer> parent, std::size_t bytes, std::size_t offset) {
  parent->require_range("sub buffer", bytes, offset);
  std::shared_ptr<Buffer> buffer(new Buffer(parent->device_, parent->design_, parent->bank_));
  buffer->offset_ = parent->offset_ + offset;
  buffer->bytes_ = bytes;
  if (parent->host_memory_) buffer->host_memory_ = parent->host_memory_ + offset;
  buffer->generation_ = parent->generation_;
  buffer->parent_ = std::move(parent);
  return buffer;
}

Buffer::~Buffer() {
  if (!parent_) bank_->release(offset_);
}

std::byte* Buffer::host_memory() const {
  if (!host_memory_) throw ApiError(EINVAL, "a device-only buffer has no host memory");
  return host_memory_;
}

void Buffer::require_range(const char* what, std::size_t bytes, std::size_t offset) const {
  if (offset > bytes_ || bytes_ - offset < bytes)
    throw ApiError(EINVAL, std::string(what) + ": " + std::to_string(bytes) + " bytes at offset " +
                               std::to_string(offset) + " reach over the end of a buffer of " +
                               std::to_string(bytes_) + " bytes");
}

void Buffer::sync(Direction direction, std::size_t bytes, std::size_t offset) const {
  device_->require_present();
  require_range("unable to sync BO", bytes, offset);
  if (offset % sync_alignment != 0)
    throw ApiError(EINVAL, "unable to sync BO: offset " + std::to_string(offset) + " is not a multiple of " +
                               std::to_string(sync_alignment) + " bytes");
  std::byte* host = host_memory() + offset;
  std::byte* card = device_memory() + offset;
  if (direction == Direction::to_device) {
    std::memcpy(card, host, bytes);
    *generation_ = new_generation();
  } else {
    std::memcpy(host, card, bytes);
  }
}

void Buffer::take_file(int file, std::size_t file_offset, std::size_t bytes) const {
  device_->require_present();
  require_range("unable to take a file", bytes, 0);
  if (parent_ || bytes == 0 || bytes % page_bytes != 0 || file_offset % page_bytes != 0)
    throw ApiError(EINVAL, "a buffer of its own takes a file's whole pages");
  bank_->place(offset_, file, file_offset, bytes);
  *generation_ = new_generation();
}

void Buffer::write(const void* source, std::size_t bytes, std::size_t offset) const {
  require_range("attempting to write past buffer size", bytes, offset);
  std::memcpy(host_memory() + offset, source, bytes);
}

void Buffer::read(void* target, std::size_t bytes, std::size_t offset) const {
  require_range("attempting to read past buffer size", bytes, offset);
  std::memcpy(target, host_memory() + offset, bytes);
}

void Buffer::copy_from(const Buffer& source, std::size_t bytes, std::size_t offset,
                       std::size_t source_offset) const {
  device_->require_present();
  if (bytes == 0) throw ApiError(EINVAL, "size must be a positive number");
  require_range("copying past destination buffer size", bytes, offset);
  source.require_range("copying past source buffer size", bytes, source_offset);
  std::memmove(device_memory() + offset, source.device_memory() + source_offset, bytes);
  *generation_ = new_generation();
}

}  // namespace accllm::emulator
