/// \file
/// The kernel's top function as v++ sees it: a job of embed, add, dump; what it refuses; the status block.

#include <vector>

#include "accllm/descriptor.hpp"
#include "check.hpp"
#include "kernels/top/u280.hpp"

using accel::Beat;
namespace field = accel::field;

namespace {

constexpr uint32_t hidden = 8;
constexpr uint32_t vocabulary = 5;
constexpr uint32_t commands = 1;
constexpr uint32_t records = 8;
constexpr uint32_t status = 12;
constexpr uint32_t dumped = 20;

struct Memory {
  std::vector<Beat> weights = std::vector<Beat>(4, accel::zero_beat());
  std::vector<Beat> kv = std::vector<Beat>(4, accel::zero_beat());
  std::vector<Beat> table = std::vector<Beat>(vocabulary, accel::zero_beat());
  std::vector<Beat> io = std::vector<Beat>(32, accel::zero_beat());

  void job(uint32_t count, uint32_t tokens, uint32_t abi = accel::abi_version) {
    Beat header = accel::zero_beat();
    accel::set_word(header, accel::job_field::abi_version, abi);
    accel::set_word(header, accel::job_field::command_offset, commands);
    accel::set_word(header, accel::job_field::command_count, count);
    accel::set_word(header, accel::job_field::input_offset, records);
    accel::set_word(header, accel::job_field::input_stride, 1);
    accel::set_word(header, accel::job_field::tokens, tokens);
    accel::set_word(header, accel::job_field::first_logit, tokens);
    accel::set_word(header, accel::job_field::status_offset, status);
    io[0] = header;
  }

  void command(uint32_t index, std::initializer_list<uint32_t> words) {
    Beat beat = accel::zero_beat();
    uint32_t i = 0;
    for (const uint32_t word : words) accel::set_word(beat, i++, word);
    io[commands + index] = beat;
  }

  uint32_t run() {
    const Beat* w = weights.data();
    Beat* k = kv.data();
    accllm(w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, w, k,
           k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k, k,
           table.data(), io.data(), 0);
    bench::check(accel::get_word(io[status], accel::status_field::magic) == accel::status_magic,
                 "status magic");
    return accel::get_word(io[status], accel::status_field::code);
  }
};

Memory prepared(uint32_t token) {
  Memory memory;
  // Row r of the table: float16 of r + 1 in every element (0x3c00 is 1, 0x4000 is 2, 0x4200 is 3).
  const uint32_t values[vocabulary] = {0x3c00, 0x4000, 0x4200, 0x4400, 0x4500};
  for (uint32_t r = 0; r < vocabulary; ++r) {
    for (uint32_t i = 0; i < hidden; ++i) accel::set_bits(memory.table[r], 16 * i, 16, values[r]);
  }
  accel::set_word(memory.io[records], accel::token_field::token, token);
  memory.command(0, {accel::operation::embed, 0, 0, 1, hidden, vocabulary});
  memory.command(1, {accel::operation::dump, 0, accel::buffer::x, hidden, dumped, 1});
  return memory;
}

}  // namespace

int main() {
  Memory memory = prepared(2);
  memory.job(2, 1);
  bench::check(memory.run() == accel::status_code::ok, "a good job");
  for (uint32_t i = 0; i < hidden; ++i) {
    const float x = accel::float_of(accel::get_word(memory.io[dumped], i));
    bench::check(x == 3.0f, "embedding", x, 3.0);
  }
  memory = prepared(vocabulary);
  memory.job(2, 1);
  bench::check(memory.run() == accel::status_code::bad_job, "a token outside the vocabulary");
  memory = prepared(0);
  memory.job(2, 1, accel::abi_version + 1);
  bench::check(memory.run() == accel::status_code::abi_mismatch, "another ABI");
  memory.job(2, accel::limit::block_tokens + 1);
  bench::check(memory.run() == accel::status_code::bad_job, "too many tokens");
  memory.command(1, {99});
  memory.job(2, 1);
  bench::check(memory.run() == accel::status_code::bad_descriptor, "an unknown operation");
  bench::check(accel::get_word(memory.io[status], accel::status_field::descriptor) == 1, "which descriptor");
  memory.command(1, {accel::operation::norm, 0, 0, accel::limit::hidden + 1, 0});
  bench::check(memory.run() == accel::status_code::bad_descriptor, "a size over the maximum");
  const auto biased = [&](uint32_t destination) {
    memory.command(1, {accel::operation::matmul, accel::flag::biased, 0, 4, 64, accel::weight_format::w2,
                       destination, 3, 0});
    return memory.run();
  };
  bench::check(biased(accel::buffer::q) == accel::status_code::ok, "a bias of the queries");
  bench::check(biased(accel::buffer::g) == accel::status_code::bad_descriptor, "a bias of the gates");
  return bench::finish("tb_kernel");
}
