#pragma once

#include "accllm/timing_work.hpp"

/// \file
/// MODELLED cycles on the U280. No figure from a card or from Vitis stands behind this. The formulas are
/// those of docs/timing.md and of host/estimate (descriptor-work.ts, schedule.ts), in whole numbers so that
/// both give the same cycles; the parameters come from quant/format/timing.ts.

namespace accel::timing {

/// Cycles in which an HBM channel delivers `beats`.
constexpr uint64_t transfer(uint64_t beats) { return ceil64(beats * 10000, parameter::beats_per10k_cycles); }

/// What an engine takes from a FIFO: so many beats, from a time on, in so many cycles if it never waits.
struct Use {
  uint64_t beats;
  uint64_t start;
  uint64_t compute;
};

/// The beats of weights or of the cache through the FIFO between a channel and its engines. `wire`: when the
/// channel has delivered all that was asked of it.
template <uint64_t Depth>
class Fifo {
 public:
  /// Fetches the beats of a use, no earlier than `earliest`. When the use starts the FIFO holds at most its
  /// depth, of these beats and later ones; so the n-th beat from here on comes (n - depth) beats later, or as
  /// requests find room. \return when the engine is done with them.
  uint64_t take(uint64_t& wire, const Use& use, uint64_t earliest) {
    const int64_t lag = static_cast<int64_t>(use.start) - static_cast<int64_t>(transfer(beats_ + Depth));
    lag_ = std::max(lag_, lag);
    beats_ += use.beats;
    const uint64_t asked = std::max(wire, earliest);
    const uint64_t first = asked + transfer(std::min<uint64_t>(use.beats, parameter::burst_beats));
    const uint64_t begun = std::max(use.start, first + parameter::read_latency);
    const int64_t refilled = static_cast<int64_t>(transfer(beats_)) + lag_;
    wire = std::max(asked + transfer(use.beats), static_cast<uint64_t>(std::max(refilled, int64_t{0})));
    const uint64_t late = use.beats > Depth ? use.beats - Depth : 0;
    if (late > 0) wire = std::max(wire, use.start + shallow(late, use));
    const uint64_t done = std::max(begun + use.compute, wire + parameter::read_latency);
    // Where the engine is slower than its beats come, the last of them find room only as it goes.
    if (late > 0) wire = std::max(wire, begun + use.compute * late / use.beats);
    return done;
  }

 private:
  /// Cycles until the last of `late` beats, for which the FIFO has no room at first, is on its way: as many
  /// requests in a round trip as it has room for, and the refreshes that it does not cover (docs/timing.md).
  static uint64_t shallow(uint64_t late, const Use& use) {
    constexpr uint64_t burst = transfer(parameter::burst_beats);
    constexpr uint64_t interval = parameter::refresh_interval;
    constexpr uint64_t refresh = parameter::refresh_cycles;
    constexpr uint64_t peak = burst * (interval - refresh) / interval;
    constexpr uint64_t requests = Depth / parameter::burst_beats;
    const uint64_t array = ceil64(use.compute * parameter::burst_beats, use.beats);
    const uint64_t trip = peak + parameter::read_latency + array;
    const uint64_t pace = std::max({peak, array, ceil64(trip, requests)});
    const uint64_t stopped = refresh * std::min(2 * trip, 2 * requests * peak + refresh) / (2 * trip);
    const uint64_t spare = requests * pace - trip;
    const uint64_t lost = stopped > spare ? parameter::refresh_times * ((stopped - spare) / 2) : 0;
    return ceil64(late * pace * interval, parameter::burst_beats * (interval - lost)) + burst + array;
  }

  uint64_t beats_ = 0;
  /// Least distance of an arrival from the time that the beats up to it take on the wire.
  int64_t lag_ = INT64_MIN / 2;
};

/// The schedule of one job. Descriptors compute in order; HBM fetches in the same order, ahead of the
/// computing by at most what the FIFOs hold, except that a cache is fetched only once it is written.
class Schedule {
 public:
  /// Executes the next descriptor. \return by how many cycles it moves the end of the schedule, so that the
  /// sum over all descriptors is the length of the overlapped schedule.
  uint64_t cycles(const Descriptor& d, const Job& job, const Ports& ports) {
    const uint64_t before = end_;
    if (end_ == 0) end_ = parameter::job_latency;
    const uint32_t items = WorkOfJob::items(d, job);
    for (uint32_t item = 0; item < items; ++item) advance(work_.next(d, job, item, ports));
    return end_ - before;
  }

 private:
  void advance(const Work& w) {
    switch (w.kind) {
      case Work::Kind::matrix:
        matrix_step(w);
        break;
      case Work::Kind::attention:
        attention_step(w);
        break;
      case Work::Kind::elementwise:
        end_ += w.before + parameter::elementwise_latency;
        break;
      default:
        break;
    }
  }

  void matrix_step(const Work& w) {
    if (w.keys) {
      queries_at_ = end_;
      queries_early_ = true;
    }
    end_ = weights_.take(wire_, {w.beats, end_ + w.feed, w.compute}, 0) + parameter::matrix_latency;
  }

  void attention_step(const Work& w) {
    uint64_t& wire = parameter::shared_channels != 0 ? wire_ : cache_wire_;
    // Keys of this token are in the cache only when the descriptor before has ended.
    const uint64_t start = end_;
    const uint64_t made = (w.ahead && queries_early_ ? queries_at_ : start) + w.before;
    queries_early_ = false;
    const Use keys = {w.key_beats, std::max(start, made), w.key_compute};
    const uint64_t multiplied = cache_.take(wire, keys, start + parameter::cache_write_latency);
    const uint64_t scored = std::max(multiplied, made + w.mean) + w.exponentials;
    end_ = cache_.take(wire, {w.value_beats, scored, w.value_compute}, start) + w.behind +
           parameter::attention_latency;
  }

  WorkOfJob work_;
  /// When the last descriptor's results are there.
  uint64_t end_ = 0;
  /// When the queries of the next attention were complete, where that was before k and v.
  uint64_t queries_at_ = 0;
  bool queries_early_ = false;
  uint64_t wire_ = parameter::job_latency;
  uint64_t cache_wire_ = parameter::job_latency;
  Fifo<parameter::prefetch_beats> weights_;
  Fifo<parameter::cache_beats> cache_;
};

}  // namespace accel::timing
