#pragma once

#include "jobs.hpp"
#include "region.hpp"

/// \file
/// Clocks that stop while the tasks behind them have nothing to do: those of attention, and that of the key
/// means. In hardware the tasks are an IP of their own behind hls/rtl/region_gate.v; the streams across stay
/// on the kernel's clock and stand still with it. In C simulation a task behind a stopped clock reads
/// nothing.

namespace accel::dataflow {

#if defined(ACCLLM_BOUNDED_STREAMS)
using Gate = sim::Gate;
#else
struct Gate {
  void set(bool) {}
};
#endif

/// Follows what the vector engine says, to the end of the job.
template <class Levels>
void run_gate(Levels& levels, Gate& gate) {
  for (;;) {
    const Clock level = levels.read();
    gate.set(level != Clock::stops);
    if (level == Clock::ends) return;
  }
}

/// The same where each `runs` is for one piece of work, whose end the tasks behind the gate tell.
template <class Levels, class Ends>
void run_gate_for_work(Levels& levels, Ends& ends, Gate& gate) {
  gate.set(false);
  while (levels.read() != Clock::ends) {
    gate.set(true);
    ends.read();
    gate.set(false);
  }
  gate.set(true);
}

/// Has an array of streams end in tasks behind a gate.
template <class Stream, size_t N>
void gate_streams(Stream (&streams)[N], Gate& gate) {
#ifdef ACCLLM_BOUNDED_STREAMS
  for (Stream& stream : streams) stream.set_gate(gate);
#else
  (void)streams;
  (void)gate;
#endif
}

}  // namespace accel::dataflow
