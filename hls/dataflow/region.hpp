#pragma once

#include <hls_stream.h>

#include <string>

#ifndef __SYNTHESIS__
#include <functional>
#include <thread>
#include <vector>
#endif

/// \file
/// Tasks of a dataflow region. In synthesis a task is a call inside of `#pragma HLS DATAFLOW`; in C
/// simulation it is a thread, because tasks that give each other answers cannot run one after the other. On
/// the streams of hls/sim the region also finds deadlocks; on AMD's (unbounded, with HLS_STREAM_THREAD_SAFE)
/// it does not.

namespace accel::dataflow {

#if defined(__SYNTHESIS__)

class Region {
 public:
  template <class Body>
  void add(const char*, uint32_t, Body body) {
#pragma HLS INLINE
    body();
  }
  void run() {}
};

#elif defined(ACCLLM_BOUNDED_STREAMS)

class Region {
 public:
  void add(const char* name, uint32_t index, std::function<void()> body) {
    region_.add(std::string(name) + " " + std::to_string(index), std::move(body));
  }
  void run() { region_.run(); }

 private:
  sim::Region region_;
};

#else

class Region {
 public:
  void add(const char*, uint32_t, std::function<void()> body) { bodies_.push_back(std::move(body)); }
  void run() {
    std::vector<std::thread> threads;
    for (const auto& body : bodies_) threads.emplace_back(body);
    for (std::thread& thread : threads) thread.join();
  }

 private:
  std::vector<std::function<void()> > bodies_;
};

#endif

/// Gives the streams of an array their names, which a deadlock's message tells.
template <class Stream, size_t N>
void name_streams(Stream (&streams)[N], const char* name) {
#ifdef ACCLLM_BOUNDED_STREAMS
  for (size_t i = 0; i < N; ++i) streams[i].set_name(std::string(name) + " " + std::to_string(i));
#else
  (void)streams;
  (void)name;
#endif
}

}  // namespace accel::dataflow
