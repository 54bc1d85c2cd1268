/// \file
/// Benchmark of the fast engine on the shapes of TinyLlama-1.1B with synthetic weights: prefill in blocks,
/// decode behind it, plain memory reads in the same run, and the golden engine on one layer. Prints the best
/// and the median of several runs; ratios compare the best with the best, which on a shared machine are the
/// least disturbed.
///   bench_engine [w2|w2s24|w4|w8] [prompt tokens] [decode tokens] [runs]

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string>
#include <thread>

#include "fast/levels.hpp"
#include "fast/run.hpp"
#include "random_model.hpp"

namespace emulator = accllm::emulator;
namespace fast = accllm::emulator::fast;

namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

cases::Shape tinyllama(uint32_t format, uint32_t layers) {
  cases::Shape s = {};
  s.weight_channels = 28;
  s.kv_channels = 4;
  s.hidden = 2048;
  s.intermediate = 5632;
  s.vocabulary = 32000;
  s.heads = 32;
  s.kv_heads = 4;
  s.head_dim = 64;
  s.sinks = 4;
  s.window = 2044;
  s.ring = s.window + accel::limit::block_tokens - 1;
  s.hadamard = true;
  s.centered = true;
  s.format = format;
  s.layers = layers;
  // As a forward pass of the host; a layer alone is measured whole.
  s.ends_early = layers > 1;
  s.benchmark = true;
  return s;
}

/// Seconds of several repetitions.
struct Times {
  std::vector<double> seconds;
  double best() const { return *std::min_element(seconds.begin(), seconds.end()); }
  double median() const {
    std::vector<double> sorted = seconds;
    std::sort(sorted.begin(), sorted.end());
    return sorted[sorted.size() / 2];
  }
};

constexpr size_t read_bytes = size_t{512} << 20;

/// Bytes a second of `threads` threads that each read a part of a large buffer, which lies in memory as
/// re-laid weights do.
double read_speed(const fast::AlignedBytes& buffer, uint32_t threads) {
  Times times;
  std::vector<uint64_t> sums(threads * 8);
  for (int run = 0; run < 7; ++run) {
    const double start = now();
    std::vector<std::thread> workers;
    for (uint32_t t = 0; t < threads; ++t) {
      workers.emplace_back([&, t] {
        typedef uint64_t Line __attribute__((vector_size(64)));
        const auto* lines = reinterpret_cast<const Line*>(buffer.data());
        const size_t count = read_bytes / sizeof(Line) / threads;
        Line sum[4] = {};
        for (size_t i = t * count; i + 4 <= (t + 1) * count; i += 4)
          for (size_t j = 0; j < 4; ++j) sum[j] ^= lines[i + j];
        sums[t * 8] = (sum[0] ^ sum[1] ^ sum[2] ^ sum[3])[0];
      });
    }
    for (std::thread& worker : workers) worker.join();
    times.seconds.push_back(now() - start);
  }
  return static_cast<double>(read_bytes) / times.best();
}

/// One model in memory, and the position that it has reached.
class Bench {
 public:
  explicit Bench(const cases::Shape& shape) : random_(7), builder_(shape, random_, most_jobs) {}

  template <class Run>
  double run(uint32_t tokens, const Run& engine) {
    builder_.write_job(position_, tokens);
    position_ += tokens;
    const emulator::Invocation call = builder_.memory.invocation(1, cancel_);
    const double start = now();
    engine(call);
    const double seconds = now() - start;
    check(0);
    return seconds;
  }

  /// Runs a prompt in blocks, as many of them in the queue as are worth it.
  double prefill(uint32_t tokens, fast::Engine& engine) {
    double seconds = 0;
    for (uint32_t done = 0; done < tokens;) {
      std::vector<emulator::Invocation> queue;
      for (uint32_t job = 0; job < most_jobs && done < tokens; ++job) {
        const uint32_t count = std::min(accel::limit::block_tokens, tokens - done);
        builder_.write_job(position_, count, count, job);
        position_ += count;
        done += count;
        queue.push_back(builder_.memory.invocation(1, cancel_, builder_.job_at(job)));
      }
      const double start = now();
      for (size_t ended = 0; ended < queue.size();) {
        std::vector<const emulator::Invocation*> left;
        for (size_t i = ended; i < queue.size(); ++i) left.push_back(&queue[i]);
        ended += fast::run_on(engine, left).size();
      }
      seconds += now() - start;
      for (uint32_t job = 0; job < queue.size(); ++job) check(job);
    }
    return seconds;
  }

  void rewind() { position_ = 0; }
  double weight_bytes() const {
    return static_cast<double>(builder_.memory.weight.size() * builder_.memory.weight[0].size() *
                               sizeof(accel::Beat));
  }

 private:
  static constexpr uint32_t most_jobs = fast::most_tokens / accel::limit::block_tokens;

  void check(uint32_t job) const {
    const uint32_t code =
        accel::get_word(builder_.memory.io[builder_.status_at(job)], accel::status_field::code);
    if (code == accel::status_code::ok) return;
    std::printf("status %u\n", code);
    std::exit(1);
  }

  bench::Random random_;
  cases::Builder builder_;
  const std::atomic<bool> cancel_{false};
  uint32_t position_ = 0;
};

void measure(const cases::Shape& shape, const fast::Kernels& kernels, uint32_t threads, uint32_t prompt,
             uint32_t decode, int runs, double bandwidth, Bench& bench) {
  (void)shape;
  fast::Engine engine(kernels, threads);
  const auto call = [&](const emulator::Invocation& job) { fast::run_on(engine, job); };
  bench.rewind();
  const double first = bench.run(1, call);
  Times prefill;
  Times tokens;
  for (int run = 0; run < runs; ++run) {
    bench.rewind();
    prefill.seconds.push_back(bench.prefill(prompt, engine));
    for (uint32_t i = 0; i < decode; ++i) tokens.seconds.push_back(bench.run(1, call));
  }
  std::printf("%u threads: first token with re-laying %.2f s\n", threads, first);
  std::printf("  prefill %u tokens: best %.1f, median %.1f tokens/s\n", prompt, prompt / prefill.best(),
              prompt / prefill.median());
  std::printf(
      "  decode at %u: best %.1f, median %.1f tokens/s; image bytes %.1f GB/s, %.0f %% of plain reads\n",
      prompt, 1 / tokens.best(), 1 / tokens.median(), bench.weight_bytes() / tokens.best() / 1e9,
      100 * bench.weight_bytes() / tokens.best() / bandwidth);
}

void compare_with_golden(uint32_t format, const fast::Kernels& kernels) {
  cases::Shape shape = tinyllama(format, 1);
  shape.vocabulary = 64;
  Bench bench(shape);
  fast::Engine engine(kernels, 1);
  const auto call = [&](const emulator::Invocation& job) { fast::run_on(engine, job); };
  bench.run(16, call);
  Times golden;
  Times quick;
  for (int i = 0; i < 3; ++i) golden.seconds.push_back(bench.run(1, emulator::run_golden));
  for (int i = 0; i < 50; ++i) quick.seconds.push_back(bench.run(1, call));
  std::printf("one layer, one token, one thread: golden %.2f ms, fast %.3f ms: %.0f times\n",
              golden.best() * 1e3, quick.best() * 1e3, golden.best() / quick.best());
}

}  // namespace

int main(int argc, char** argv) {
  const std::string name = argc > 1 ? argv[1] : "w2";
  const std::vector<std::string> formats = {"w2s24", "w2", "w4", "w8"};
  const auto found = std::find(formats.begin(), formats.end(), name);
  if (found == formats.end()) {
    std::fprintf(stderr, "unknown format %s\n", name.c_str());
    return 2;
  }
  const auto format = static_cast<uint32_t>(found - formats.begin());
  const auto argument = [&](int index, uint32_t fallback) {
    return argc > index ? static_cast<uint32_t>(std::strtoul(argv[index], nullptr, 10)) : fallback;
  };
  const uint32_t prompt = argument(2, 512);
  const uint32_t decode = argument(3, 32);
  const int runs = static_cast<int>(argument(4, 3));
  const fast::Kernels& kernels = fast::chosen_kernels();
  const uint32_t most = std::max(1u, std::thread::hardware_concurrency());

  compare_with_golden(format, kernels);
  const cases::Shape shape = tinyllama(format, 22);
  Bench bench(shape);
  std::printf("TinyLlama-1.1B shapes, %s, %s, image weights %.0f MB\n", name.c_str(), kernels.name,
              bench.weight_bytes() / 1e6);
  const fast::AlignedBytes buffer(read_bytes);
  std::memset(buffer.data(), 1, read_bytes);
  for (const uint32_t threads : {1u, 2u}) {
    if (threads > most) continue;
    const double speed = read_speed(buffer, threads);
    std::printf("plain reads, %u threads: %.1f GB/s\n", threads, speed / 1e9);
    measure(shape, kernels, threads, prompt, decode, runs, speed, bench);
  }
  return 0;
}
