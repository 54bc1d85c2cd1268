#include "levels.hpp"

#include <cstdlib>
#include <cstring>

namespace accllm::emulator::fast {

std::vector<Level> levels() {
#if defined(__x86_64__)
  __builtin_cpu_init();
  const bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
                      __builtin_cpu_supports("avx512vnni");
  return {{&avx512_kernels, avx512},
          {&avx2_kernels, __builtin_cpu_supports("avx2") != 0},
          {&plain_kernels, true}};
#elif defined(__aarch64__)
  return {{&neon_kernels, true}, {&plain_kernels, true}};
#else
  return {{&plain_kernels, true}};
#endif
}

const Kernels& chosen_kernels() {
  const char* wanted = std::getenv("ACCLLM_EMU_SIMD");
  const Kernels* chosen = nullptr;
  for (const Level& level : levels()) {
    if (!level.available) continue;
    if (chosen == nullptr) chosen = level.kernels;
    if (wanted != nullptr && std::strcmp(wanted, level.kernels->name) == 0) chosen = level.kernels;
  }
  return *chosen;
}

}  // namespace accllm::emulator::fast
