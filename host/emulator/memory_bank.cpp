#include "memory_bank.hpp"

#include <cerrno>
#include <utility>

#include "api_error.hpp"

namespace accllm::emulator {

MemoryBank::MemoryBank(std::string name, std::uint64_t base, std::uint64_t bytes)
    : name_(std::move(name)), base_(base), bytes_(bytes) {}

std::uint64_t MemoryBank::allocate(std::uint64_t bytes) {
  if (bytes > bytes_)
    throw ApiError(ENOMEM, "std::bad_alloc: a buffer of " + std::to_string(bytes) +
                               " bytes is larger than bank " + name_ + " of " + std::to_string(bytes_) +
                               " bytes");
  const std::uint64_t size = round_to_page(bytes);
  std::lock_guard<std::mutex> lock(mutex_);
  std::uint64_t start = 0;
  for (const auto& [offset, length] : allocated_) {
    if (offset - start >= size) break;
    start = offset + length;
  }
  if (bytes_ - start < size)
    throw ApiError(ENOMEM, "std::bad_alloc: bank " + name_ + " has no free range of " + std::to_string(size) +
                               " bytes left");
  if (!storage_) storage_ = std::make_unique<Mapping>(bytes_);
  allocated_.emplace(start, size);
  return start;
}

void MemoryBank::release(std::uint64_t offset) noexcept {
  std::lock_guard<std::mutex> lock(mutex_);
  const auto entry = allocated_.find(offset);
  if (entry == allocated_.end()) return;
  storage_->discard(entry->first, entry->second);
  allocated_.erase(entry);
}

void MemoryBank::flip(std::uint64_t offset, std::uint32_t bit) noexcept {
  *at(offset) ^= std::byte(1u << (bit % 8));
  ++faults_;
}

bool MemoryBank::holds(std::uint64_t offset) const {
  std::lock_guard<std::mutex> lock(mutex_);
  auto entry = allocated_.upper_bound(offset);
  if (entry == allocated_.begin()) return false;
  --entry;
  return offset - entry->first < entry->second;
}

}  // namespace accllm::emulator
