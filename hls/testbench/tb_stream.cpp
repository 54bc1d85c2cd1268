/// \file
/// The bounded streams themselves: order, capacity, both kinds of waiting, deadlocks by name, failures of a
/// stage. (Not run on AMD's header, whose streams have no bounds.)

#include <hls_stream.h>

#include <stdexcept>
#include <string>

#include "check.hpp"

namespace {

constexpr int many = 1000;

template <int DEPTH>
void pass_through() {
  hls::stream<int, DEPTH> forth("forth");
  hls::stream<int, DEPTH> back("back");
  long long sum = 0;
  bool ordered = true;
  sim::Region region;
  region.add("source", [&] {
    for (int i = 0; i < many; ++i) forth.write(i);
  });
  region.add("twice", [&] {
    for (int i = 0; i < many; ++i) back.write(2 * forth.read());
  });
  region.add("sink", [&] {
    for (int i = 0; i < many; ++i) {
      const int value = back.read();
      ordered = ordered && value == 2 * i;
      sum += value;
    }
  });
  region.run();
  bench::check(ordered, "order", DEPTH);
  bench::check(sum == static_cast<long long>(many) * (many - 1), "sum", static_cast<double>(sum));
  bench::check(forth.high_water() <= forth.capacity && forth.empty(), "capacity",
               static_cast<double>(forth.high_water()), DEPTH);
}

/// Writes `burst` elements into `a` before anything of `b`, while the reader wants one of each in turn.
template <int DEPTH>
std::string two_streams(int burst) {
  hls::stream<int, DEPTH> a("a");
  hls::stream<int, 2> b("b");
  sim::Region region;
  region.add("writer", [&] {
    for (int i = 0; i < burst; ++i) a.write(i);
    for (int i = 0; i < burst; ++i) b.write(i);
  });
  region.add("reader", [&] {
    for (int i = 0; i < burst; ++i) bench::check(b.read() == a.read(), "pair");
  });
  try {
    region.run();
  } catch (const sim::Deadlock& deadlock) {
    return deadlock.what();
  }
  return "";
}

}  // namespace

int main() {
  pass_through<1>();
  pass_through<2>();
  pass_through<64>();
  bench::check(hls::stream<int>::capacity == 2, "depth where none is stated");

  bench::check(two_streams<16>(16).empty(), "deep enough");
  const std::string cut = two_streams<15>(16);
  bench::check(cut ==
                   "deadlock: stage 'writer' waits, stream 'a' full (depth 15); stage 'reader' waits, stream "
                   "'b' empty",
               cut.c_str());

  // A stage that returns too early leaves its reader waiting.
  hls::stream<int, 4> short_one("short one");
  sim::Region early;
  early.add("gives one", [&] { short_one.write(1); });
  early.add("wants two", [&] {
    short_one.read();
    short_one.read();
  });
  std::string what;
  try {
    early.run();
  } catch (const sim::Deadlock& deadlock) {
    what = deadlock.what();
  }
  bench::check(what == "deadlock: stage 'wants two' waits, stream 'short one' empty", what.c_str());

  // A failing stage ends the others.
  hls::stream<int, 2> never("never");
  sim::Region failing;
  failing.add("fails", [] { throw std::runtime_error("out of order"); });
  failing.add("waits", [&] { never.read(); });
  what.clear();
  try {
    failing.run();
  } catch (const std::runtime_error& error) {
    what = error.what();
  }
  bench::check(what == "out of order", what.c_str());

  what.clear();
  try {
    never.read();
  } catch (const sim::Deadlock& deadlock) {
    what = deadlock.what();
  }
  bench::check(what == "deadlock: outside of a region, stream 'never' empty", what.c_str());
  return bench::finish("tb_stream");
}
