#pragma once

#include <memory>
#include <string>
#include <vector>

#include "dataflow/design.hpp"
#include "kernels/execute.hpp"
#include "random_job.hpp"

/// \file
/// Runs a prepared job on the functional kernel and on the dataflow design.

namespace bench {

using namespace accel;

struct NoMonitor {
  static constexpr uint32_t counters = counter_source::none;
  uint32_t before(const Descriptor&, const Job&) { return status_code::ok; }
  void after(const Descriptor&, const Job&, const Ports&, uint64_t*) {}
};

inline bool same(const std::vector<Beat>& a, const std::vector<Beat>& b) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    for (uint32_t w = 0; w < beat_words; ++w) {
      if (get_word(a[i], w) != get_word(b[i], w)) return false;
    }
  }
  return true;
}

inline void run_functional(RandomJob& job) {
  static const auto chip = std::make_unique<Chip>();
  Ports ports = {};
  ports.weight_channels = static_cast<uint32_t>(job.weights.size());
  ports.kv_channels = static_cast<uint32_t>(job.kv.size());
  for (size_t c = 0; c < job.weights.size(); ++c) ports.weight[c] = job.weights[c].data();
  for (size_t c = 0; c < job.kv.size(); ++c) ports.kv[c] = job.kv[c].data();
  ports.table = job.table.data();
  ports.io = job.io.data();
  NoMonitor monitor;
  execute_job(ports, 0, *chip, monitor);
}

template <class C, class Numbers>
void run_dataflow(RandomJob& job) {
  static const auto chip = std::make_unique<dataflow::EngineMemory<C>>();
  auto wires = std::make_unique<dataflow::Wires<C, Numbers>>();
  std::vector<const Beat*> weights;
  std::vector<Beat*> kv;
  for (const std::vector<Beat>& channel : job.weights) weights.push_back(channel.data());
  for (std::vector<Beat>& channel : job.kv) kv.push_back(channel.data());
  const dataflow::Memories memory = {weights.data(), kv.data(), job.table.data(), job.io.data()};
  dataflow::run_job<C, Numbers>(memory, 0, *chip, *wires);
#ifdef ACCLLM_BOUNDED_STREAMS
  sim::left_over().clear();
  wires.reset();
  for (const std::string& stream : sim::left_over())
    check(false, ("nothing is left in stream '" + stream + "'").c_str());
#endif
}

}  // namespace bench
