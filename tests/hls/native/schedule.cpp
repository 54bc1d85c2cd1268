// Modelled cycles of command streams given as text, for a comparison with the same formulas in TypeScript.
// A line "job <tokens> <position> <first logit> <weight channels> <kv channels>" starts a job; a line of
// sixteen words is its next descriptor and is answered by its cycles.

#include <cstdio>
#include <cstring>
#include <vector>

#include "accllm/timing.hpp"

int main() {
  accel::Job job = {};
  job.input_stride = 1;
  std::vector<accel::Beat> io(accel::limit::block_tokens);
  accel::Ports ports = {};
  ports.io = io.data();
  accel::timing::Schedule schedule;
  char line[512];
  while (std::fgets(line, sizeof line, stdin) != nullptr) {
    unsigned position = 0;
    if (std::sscanf(line, "job %u %u %u %u %u", &job.tokens, &position, &job.first_logit,
                    &ports.weight_channels, &ports.kv_channels) == 5) {
      for (uint32_t t = 0; t < job.tokens; ++t) {
        io[t] = accel::zero_beat();
        accel::set_word(io[t], accel::token_field::position, position + t);
      }
      schedule = {};
      continue;
    }
    accel::Descriptor d = {};
    const char* at = line;
    for (uint32_t& word : d.words) {
      int length = 0;
      if (std::sscanf(at, "%u%n", &word, &length) != 1) return 1;
      at += length;
    }
    std::printf("%llu\n", static_cast<unsigned long long>(schedule.cycles(d, job, ports)));
  }
  return 0;
}
