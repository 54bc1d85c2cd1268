#pragma once

#include <cstdint>

#include "accllm/descriptor.hpp"

namespace accllm::emulator {

using namespace accel;  // the kernel's names

/// Beats that each port's buffer holds. On a card an access past a buffer reads other data or fails on the
/// bus; the emulator refuses the descriptor instead.
struct Extents {
  std::uint64_t weight;
  std::uint64_t kv;
  std::uint64_t table;
  std::uint64_t io;
};

/// Whether the job header's own regions (commands, token records, status) lie in io.
bool job_within(const Job& job, const Extents& extents);

/// Whether everything that a descriptor reads and writes lies in the buffers. The descriptor's sizes must be
/// valid.
bool descriptor_within(const Descriptor& d, const Job& job, const Extents& extents,
                       std::uint32_t weight_channels, std::uint32_t kv_channels);

}  // namespace accllm::emulator
