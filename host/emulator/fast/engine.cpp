#include "engine.hpp"

#include <algorithm>
#include <atomic>

#include "kernels/execute.hpp"

namespace accllm::emulator::fast {

using namespace accel;

Engine::Engine(const Kernels& kernels, uint32_t threads)
    : kernels_(kernels), pool_(threads), attention_(kernels, pool_) {
  for (uint32_t t = 0; t < pool_.threads(); ++t)
    scratch_.push_back(std::make_unique<AlignedBytes>(product_scratch_bytes));
  normed_.reset(new float[size_t{pool_.threads()} * limit::hidden]);
}

void Engine::bind(const Invocation& call) {
  weights_.bind(call.weight);
  attention_.bind(call);
  packed_.forget();
}

void Engine::multiply(const Ports& ports, const Descriptor& d, const OutputView& output, uint32_t first,
                      uint32_t tokens) {
  const MatrixView matrix = weights_.matrix(ports, matrix_shape(d, ports.weight_channels), kernels_, pool_);
  const Packing packing = kernels_.packing(matrix.format, tokens - first);
  const BlockView block = packed_.view(kernels_, act, packing, matrix.groups, first, tokens, pool_);
  const uint32_t panels = ceil_div(matrix.rows, panel_rows);
  // A block's product of one panel, or of a few side by side, takes long enough to be shared in such pieces.
  // One token's reads long runs of memory, and whole fours of panels, which go side by side.
  const uint32_t grain =
      block.tokens > 1 ? kernels_.block_panels : std::clamp(panels / (32 * pool_.threads()), 1u, 8u) * 4;
  pool_.loop(panels, grain, [&](uint32_t from, uint32_t to, uint32_t thread) {
    kernels_.product(matrix, block, from, to, output, scratch_[thread]->data());
  });
}

void Engine::add_bias(const Ports& ports, const Descriptor& d, const OutputView& rows, uint32_t first,
                      uint32_t tokens) {
  const auto* bias = reinterpret_cast<const float*>(ports.table + d.field(field::matmul::bias_offset));
  const uint32_t length = d.field(field::matmul::rows);
  for (uint32_t t = first; t < tokens; ++t) kernels_.add(rows.data + t * rows.stride, bias, length);
}

void Engine::norm(const Ports& ports, const Descriptor& d, uint32_t first, uint32_t tokens) {
  const auto* gain = reinterpret_cast<const float*>(ports.table + d.field(field::norm::gain_offset));
  const uint32_t length = d.field(field::norm::length);
  const float epsilon = d.float_field(field::norm::epsilon_bits);
  std::atomic<bool> finite{true};
  pool_.loop(tokens - first, 2, [&](uint32_t from, uint32_t to, uint32_t thread) {
    for (uint32_t t = first + from; t < first + to; ++t) {
      float* scratch = normed_.get() + size_t{thread} * limit::hidden;
      if (!kernels_.norm(act.x[t], gain, length, epsilon, scratch, act.a[t], &act.a_scale[t])) finite = false;
    }
  });
  if (!finite) act.non_finite = true;
}

void Engine::silu_mul(const Descriptor& d, uint32_t first, uint32_t tokens) {
  const uint32_t length = d.field(field::silu_mul::length);
  // Pieces of whole vectors, so that a single token keeps all threads busy.
  constexpr uint32_t piece = 1024;
  const uint32_t pieces = ceil_div(length, piece);
  pool_.loop((tokens - first) * pieces, 2, [&](uint32_t from, uint32_t to, uint32_t) {
    for (uint32_t i = from; i < to; ++i) {
      const uint32_t token = first + i / pieces;
      const uint32_t at = i % pieces * piece;
      kernels_.silu_mul(act.g[token] + at, act.u[token] + at, std::min(piece, length - at));
    }
  });
  std::atomic<bool> finite{true};
  pool_.loop(tokens - first, 2, [&](uint32_t from, uint32_t to, uint32_t) {
    for (uint32_t t = first + from; t < first + to; ++t) {
      if (!kernels_.quantize(act.g[t], length, act.a[t], &act.a_scale[t])) finite = false;
    }
  });
  if (!finite) act.non_finite = true;
}

uint32_t Engine::embed(const Ports& ports, const Descriptor& d, const Batch& batch, uint32_t first) {
  for (uint32_t t = first; t < batch.tokens; ++t) {
    const uint32_t id = get_word(batch.records[t][0], token_field::token);
    if (id >= d.field(field::embed::vocabulary)) return status_code::bad_job;
    const Beat* row =
        ports.table + d.field(field::embed::table_offset) + size_t{id} * d.field(field::embed::row_beats);
    kernels_.embed(reinterpret_cast<const uint16_t*>(row), d.field(field::embed::hidden), act.x[t]);
  }
  return status_code::ok;
}

uint32_t Engine::execute(const Ports& ports, const Descriptor& d, const Batch& batch) {
  const uint32_t first = d.has(flag::head) ? batch.first_wanted : 0;
  if (first >= batch.tokens) return status_code::ok;
  switch (d.operation()) {
    case operation::embed:
      return embed(ports, d, batch, first);
    case operation::norm:
      packed_.forget();
      norm(ports, d, first, batch.tokens);
      break;
    case operation::matmul: {
      const FloatBuffer out = float_buffer(act, d.field(field::matmul::destination));
      multiply(ports, d, {out.data + first * out.stride, out.stride}, first, batch.tokens);
      if (d.has(flag::biased)) add_bias(ports, d, {out.data, out.stride}, first, batch.tokens);
      break;
    }
    case operation::logits: {
      auto* rows = reinterpret_cast<float*>(ports.io + d.field(field::logits::io_offset));
      const size_t stride = size_t{d.field(field::logits::row_beats)} * beat_words;
      multiply(ports, d, {rows + (first - batch.last_job) * stride, stride}, first, batch.tokens);
      break;
    }
    case operation::rope_kv:
      attention_.write(ports, d, batch, first, act);
      break;
    case operation::attend:
      packed_.forget();
      attention_.attend(ports, d, batch, first, act);
      break;
    case operation::silu_mul:
      packed_.forget();
      silu_mul(d, first, batch.tokens);
      break;
    case operation::add:
      pool_.loop(batch.tokens - first, 4, [&](uint32_t from, uint32_t to, uint32_t) {
        for (uint32_t t = first + from; t < first + to; ++t)
          kernels_.add(act.x[t], act.y[t], d.field(field::add::length));
      });
      break;
    default:
      for (uint32_t t = first; t < batch.tokens; ++t) dump(ports, d, t, act);
      break;
  }
  return status_code::ok;
}

}  // namespace accllm::emulator::fast
