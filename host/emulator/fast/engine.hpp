#pragma once

#include <memory>
#include <vector>

#include "../engine.hpp"
#include "attention.hpp"
#include "batch.hpp"
#include "kernels.hpp"
#include "packed_block.hpp"
#include "pool.hpp"
#include "weight_cache.hpp"

namespace accllm::emulator::fast {

/// What the fast engine keeps from run to run: re-laid weights, threads, and the activations, as the kernel
/// has them.
class Engine {
  /// Not filled: a page that no model reaches takes no memory.
  const std::unique_ptr<Activations> act_{new Activations};

 public:
  Engine(const Kernels& kernels, uint32_t threads);

  /// To be called before a job: what is bound, and whether it was written since.
  void bind(const Invocation& call);
  /// Executes one descriptor on the tokens of the batch. \return a status code.
  uint32_t execute(const accel::Ports& ports, const accel::Descriptor& d, const Batch& batch);

  uint32_t threads() const { return pool_.threads(); }

  Activations& act = *act_;

 private:
  void norm(const accel::Ports& ports, const accel::Descriptor& d, uint32_t first, uint32_t tokens);
  void silu_mul(const accel::Descriptor& d, uint32_t first, uint32_t tokens);
  uint32_t embed(const accel::Ports& ports, const accel::Descriptor& d, const Batch& batch, uint32_t first);
  /// `output` is where row 0 of token `first` goes.
  void multiply(const accel::Ports& ports, const accel::Descriptor& d, const OutputView& output,
                uint32_t first, uint32_t tokens);

  void add_bias(const accel::Ports& ports, const accel::Descriptor& d, const OutputView& rows, uint32_t first,
                uint32_t tokens);

  const Kernels& kernels_;
  Pool pool_;
  WeightCache weights_;
  PackedBlock packed_;
  Attention attention_;
  /// A panel's scratch for every thread, and one vector's.
  std::vector<std::unique_ptr<AlignedBytes>> scratch_;
  std::unique_ptr<float[]> normed_;
};

}  // namespace accllm::emulator::fast
