#pragma once

#include <cstdint>

#include "region.hpp"

namespace accel::dataflow {

/// Counts the kernel's clocks and answers requests with the count; false ends it. One turn of the loop is one
/// clock (II = 1, nothing in it waits), so the count is cycles by construction. C simulation has no clock:
/// there each request counts one, which shows that every descriptor is sampled once, and nothing else.
template <class Requests, class Times>
void run_clock(Requests& requests, Times& times) {
  uint64_t now = 0;
#ifdef __SYNTHESIS__
  bool going = true;
  while (going) {
#pragma HLS PIPELINE II = 1
    ++now;
    bool sample = false;
    if (requests.read_nb(sample)) {
      if (sample) times.write_nb(now);
      going = sample;
    }
  }
#else
  while (requests.read()) times.write(++now);
#endif
}

}  // namespace accel::dataflow
