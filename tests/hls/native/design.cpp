// What the dataflow design is compiled with for the U280, as JSON, for a comparison with the resource model.
// The counts are those of the sources: the sizes of the banks' operands and the factors that loops unroll by.

#include <cstdio>

#include "dataflow/design.hpp"

using namespace accel;
using namespace accel::dataflow;

template <class T, size_t N>
constexpr size_t length(T (&)[N]) {
  return N;
}

int main() {
  using C = config::u280;
  static Wires<C, NativeNumbers> wires;
  static EngineMemory<C> memory;
  std::printf("{\"arrays\": %zu, \"bankMultipliers\": %zu, \"banks\": %zu, ", length(wires.chain),
              sizeof(DspResults) / sizeof(int64_t), sizeof(ActivationPair) / group_size);
  std::printf("\"dspSecondBanks\": %u, \"rowSums\": %zu, ", C::dsp_second_banks,
              sizeof(PlaneSums<NativeNumbers>::products) / sizeof(int16_t));
  std::printf("\"lanes\": %zu, \"meanProducts\": %u, ", length(wires.scores),
              C::centering_heads * C::head_dim);
  std::printf("\"weightFifoBeats\": %zu, \"slots\": %zu, ", wires.weights[0].capacity,
              wires.scores[0].capacity);
  std::printf("\"weightChannels\": %zu, \"kvChannels\": %zu, ", length(wires.weights), length(wires.cache));
  std::printf("\"keyFifoBeats\": %zu, \"codeFifoBeats\": %zu, \"meanFifo\": %zu, ", wires.cache[0].capacity,
              wires.cache_codes[0].capacity, wires.means[0].capacity);
  std::printf("\"distances\": %u, \"resultRows\": %zu, ", distance_rows<C>,
              sizeof(TileResult::value) / sizeof(float) / 2);
  std::printf("\"activationBytes\": %zu, \"hidden\": %zu}\n", sizeof(memory.act.g) + sizeof(memory.act.u),
              sizeof(memory.act.x) / sizeof(float) / C::block_tokens);
  return 0;
}
