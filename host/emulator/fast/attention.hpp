#pragma once

#include <memory>
#include <vector>

#include "../engine.hpp"
#include "batch.hpp"
#include "distances.hpp"
#include "kernels.hpp"
#include "pool.hpp"
#include "span.hpp"

namespace accllm::emulator::fast {

/// The cache's side of the engine: writes keys and values, and attends to them.
class Attention {
 public:
  Attention(const Kernels& kernels, Pool& pool);

  /// To be called before a job: what is bound, and whether it was written since.
  void bind(const Invocation& call);
  /// Writes keys and values of the batch's tokens from `first` on.
  void write(const accel::Ports& ports, const accel::Descriptor& d, const Batch& batch, uint32_t first,
             Activations& act);
  /// Attention of the batch's tokens from `first` on, quantized to their int8 activations.
  void attend(const accel::Ports& ports, const accel::Descriptor& d, const Batch& batch, uint32_t first,
              Activations& act);

 private:
  const Kernels& kernels_;
  Pool& pool_;
  DistanceCache distances_;
  /// What each token of the batch attends to; the layers of a model share it.
  std::vector<Span> spans_;
  /// Outputs of all heads of a batch, [tokens][head elements].
  std::unique_ptr<float[]> outputs_;
  /// A thread's working memory.
  std::vector<std::unique_ptr<AttendScratch>> scratch_;
};

}  // namespace accllm::emulator::fast
