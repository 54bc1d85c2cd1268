#pragma once

#include "accllm/activations.hpp"
#include "accllm/descriptor.hpp"
#include "accllm/ports.hpp"
#include "panel.hpp"

namespace accllm::emulator::fast {

/// Tokens that descriptors are executed on at once: those of one job, or of several in the jobs' order.
struct Batch {
  uint32_t tokens = 0;
  /// First token whose result is wanted.
  uint32_t first_wanted = 0;
  /// First token of the last job, which rows in io are counted from. No other job has any wanted.
  uint32_t last_job = 0;
  const accel::Beat* records[most_tokens];

  /// Adds a job's tokens behind those that there are; there must be room for them.
  void add(const accel::Ports& ports, const accel::Job& job) {
    last_job = tokens;
    first_wanted = tokens + job.first_logit;
    for (uint32_t t = 0; t < job.tokens; ++t)
      records[tokens++] = ports.io + job.input_offset + size_t{t} * job.input_stride;
  }
  uint32_t position(uint32_t token) const {
    return accel::get_word(records[token][0], accel::token_field::position);
  }
};

/// The format's maxima with room for a batch. A line of each row more than the maxima, which are powers of
/// two: the rows' beginnings would all lie in one set of a cache.
struct BatchLimits : accel::FormatLimits {
  static constexpr uint32_t block_tokens = most_tokens;
  static constexpr uint32_t hidden = FormatLimits::hidden + line_bytes / sizeof(float);
  static constexpr uint32_t columns = FormatLimits::columns + line_bytes;
  static constexpr uint32_t head_elements = FormatLimits::head_elements + line_bytes / sizeof(float);
};
using Activations = accel::ActivationsOf<BatchLimits>;

}  // namespace accllm::emulator::fast
