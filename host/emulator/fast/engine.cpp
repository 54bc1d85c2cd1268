#include "engine.hpp"

#include <algorithm>

namespace accllm::emulator::fast {

using namespace accel;

Engine::Engine(const Kernels& kernels, uint32_t threads) : kernels_(kernels), pool_(threads) {
  constexpr uint32_t most_groups = limit::columns / group_size;
  for (uint32_t t = 0; t < pool_.threads(); ++t)
    scratch_.push_back(std::make_unique<AlignedBytes>(product_scratch_bytes(most_groups)));
}

void Engine::bind(const Invocation& call) {
  weights_.bind(call.weight);
  packed_.forget();
}

void Engine::multiply(const Ports& ports, const Descriptor& d, const OutputView& output, uint32_t first,
                      uint32_t tokens) {
  if (first >= tokens) return;
  const MatrixView matrix = weights_.matrix(ports, matrix_shape(d, ports.weight_channels), pool_);
  const Packing packing = kernels_.packing(matrix.format, tokens - first);
  const BlockView block = packed_.view(kernels_, act, packing, matrix.groups, first, tokens, pool_);
  const OutputView rows = {output.data + first * output.stride, output.stride};
  const uint32_t panels = ceil_div(matrix.rows, panel_rows);
  // Small enough to share the work evenly, large enough to read long runs of memory.
  const uint32_t grain = std::clamp(panels / (8 * pool_.threads()), 1u, 32u);
  pool_.loop(panels, grain, [&](uint32_t from, uint32_t to, uint32_t thread) {
    kernels_.product(matrix, block, from, to, rows, scratch_[thread]->data());
  });
}

uint32_t Engine::execute(const Ports& ports, const Descriptor& d, const Job& job) {
  const uint32_t first = d.has(flag::head) ? job.first_logit : 0;
  switch (d.operation()) {
    case operation::matmul: {
      const FloatBuffer out = float_buffer(act, d.field(field::matmul::destination));
      multiply(ports, d, {out.data, out.stride}, first, job.tokens);
      return status_code::ok;
    }
    case operation::logits: {
      auto* rows = reinterpret_cast<float*>(ports.io + d.field(field::logits::io_offset));
      multiply(ports, d, {rows, size_t{d.field(field::logits::row_beats)} * beat_words}, first, job.tokens);
      return status_code::ok;
    }
    default:
      packed_.forget();
      return accel::execute(ports, d, job, *chip_);
  }
}

}  // namespace accllm::emulator::fast
