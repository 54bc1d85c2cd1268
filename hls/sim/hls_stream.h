#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "stage.hpp"

/// \file
/// hls::stream for machines without AMD's hls_stream.h, and with what that one lacks: the stream holds DEPTH
/// elements and no more. A write to a full stream and a read from an empty one wait for the other side, each
/// in a thread of its own (stage.hpp); a cycle of waits ends with `sim::Deadlock`, which names every stream.
///
/// One writer and one reader, as in hardware.

#define ACCLLM_BOUNDED_STREAMS 1

namespace sim {

/// Names of streams that ended with elements that nobody had read; AMD's warns of them. In hardware they
/// would be the first that the next run reads.
inline std::vector<std::string>& left_over() {
  static std::vector<std::string> names;
  return names;
}

}  // namespace sim

namespace hls {

template <class T, int DEPTH = 0>
class stream {
 public:
  /// Vitis gives a stream of unstated depth two places.
  static constexpr size_t capacity = DEPTH > 0 ? DEPTH : 2;

  stream() = default;
  explicit stream(const char* name) : name_(name) {}
  ~stream() {
    if (!empty()) sim::left_over().push_back(name_);
  }
  stream(const stream&) = delete;
  stream& operator=(const stream&) = delete;

  void set_name(const std::string& name) { name_ = name; }
  const std::string& name() const { return name_; }

  /// The reading side has a clock that can be stopped.
  void set_gate(sim::Gate& gate) {
    gate_ = &gate;
    gate.add(reader_);
  }

  bool full() const { return size() == capacity; }
  bool empty() const { return size() == 0; }
  size_t size() const { return tail_.load() - head_.load(); }
  /// Most elements that were ever in the stream.
  size_t high_water() const { return high_water_; }

  void write(const T& value) {
    const size_t tail = tail_.load(std::memory_order_relaxed);
    if (tail - head_.load() == capacity) {
      sim::wait_until(writer_, [&] { return tail - head_.load() < capacity; }, {name_, capacity, true});
    }
    slots_[tail % capacity] = value;
    tail_.store(tail + 1);
    const size_t held = tail + 1 - head_.load();
    if (held > high_water_) high_water_ = held;
    sim::wake(reader_);
  }

  T read() {
    const size_t head = head_.load(std::memory_order_relaxed);
    const auto ready = [&] { return tail_.load() != head && runs(); };
    if (!ready()) sim::wait_until(reader_, ready, {name_, capacity, false, !runs()});
    const T value = slots_[head % capacity];
    head_.store(head + 1);
    sim::wake(writer_);
    return value;
  }

  void read(T& value) { value = read(); }
  void operator<<(const T& value) { write(value); }
  void operator>>(T& value) { value = read(); }

 private:
  bool runs() const { return gate_ == nullptr || gate_->runs(); }

  sim::Gate* gate_ = nullptr;
  std::string name_ = "unnamed";
  std::unique_ptr<T[]> slots_ = std::make_unique<T[]>(capacity);
  std::atomic<size_t> head_{0};
  std::atomic<size_t> tail_{0};
  size_t high_water_ = 0;
  std::atomic<sim::Stage*> reader_{nullptr};
  std::atomic<sim::Stage*> writer_{nullptr};
};

}  // namespace hls
