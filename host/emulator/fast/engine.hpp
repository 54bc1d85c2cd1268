#pragma once

#include <memory>
#include <vector>

#include "../engine.hpp"
#include "attention.hpp"
#include "kernels.hpp"
#include "packed_block.hpp"
#include "pool.hpp"
#include "weight_cache.hpp"

namespace accllm::emulator::fast {

/// What the fast engine keeps from run to run: re-laid weights, threads, and the activations, as the kernel
/// has them.
class Engine {
  const std::unique_ptr<accel::Activations> act_ = std::make_unique<accel::Activations>();

 public:
  Engine(const Kernels& kernels, uint32_t threads);

  /// To be called before a job: what is bound, and whether it was written since.
  void bind(const Invocation& call);
  /// Executes one descriptor on the tokens of the job. \return a status code.
  uint32_t execute(const accel::Ports& ports, const accel::Descriptor& d, const accel::Job& job);

  uint32_t threads() const { return pool_.threads(); }

  accel::Activations& act = *act_;

 private:
  void norm(const accel::Ports& ports, const accel::Descriptor& d, uint32_t first, uint32_t tokens);
  void silu_mul(const accel::Descriptor& d, uint32_t first, uint32_t tokens);
  uint32_t embed(const accel::Ports& ports, const accel::Descriptor& d, const accel::Job& job,
                 uint32_t first);
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

/// What execute_job calls.
inline uint32_t execute(const accel::Ports& ports, const accel::Descriptor& d, const accel::Job& job,
                        Engine& engine) {
  return engine.execute(ports, d, job);
}

/// A run of the job on `engine`.
Outcome run_on(Engine& engine, const Invocation& call);

}  // namespace accllm::emulator::fast
