/// \file
/// Hadamard against the explicit matrix, twice being a multiple of the identity; RoPE against complex
/// rotation.

#include <cmath>
#include <vector>

#include "check.hpp"
#include "kernels/rotate.hpp"

using namespace accel;

namespace {

int ones(uint32_t x) {
  int count = 0;
  for (; x; x &= x - 1) ++count;
  return count;
}

void hadamard_of(uint32_t head_dim, bench::Random& random) {
  const uint32_t size = hadamard_size(head_dim);
  std::vector<float> v(head_dim);
  for (float& x : v) x = static_cast<float>(static_cast<int32_t>(random.below(201)) - 100);
  const std::vector<float> original = v;
  hadamard(v.data(), head_dim);
  for (uint32_t block = 0; block < head_dim; block += size) {
    for (uint32_t i = 0; i < size; ++i) {
      double sum = 0;
      for (uint32_t j = 0; j < size; ++j) sum += (ones(i & j) % 2 ? -1.0 : 1.0) * original[block + j];
      bench::check(v[block + i] == sum, "hadamard", v[block + i], sum);
    }
  }
  hadamard(v.data(), head_dim);
  for (uint32_t i = 0; i < head_dim; ++i) {
    bench::check(v[i] == original[i] * static_cast<float>(size), "hadamard twice", v[i], original[i] * size);
  }
}

void rope_of(uint32_t head_dim, bench::Random& random) {
  const uint32_t half = head_dim / 2;
  std::vector<Beat> table(ceil_div(2 * head_dim, beat_words) + 1, zero_beat());
  std::vector<float> v(head_dim);
  std::vector<double> angle(half);
  const uint32_t first = 3;
  for (uint32_t i = 0; i < half; ++i) {
    angle[i] = random.symmetric() * 3.0;
    const uint32_t c = first + i;
    const uint32_t s = first + half + i;
    set_word(table[c / beat_words], c % beat_words, bits_of(static_cast<float>(std::cos(angle[i]))));
    set_word(table[s / beat_words], s % beat_words, bits_of(static_cast<float>(std::sin(angle[i]))));
  }
  for (float& x : v) x = random.symmetric() * 8.0f;
  const std::vector<float> original = v;
  rope(v.data(), head_dim, table.data(), first);
  for (uint32_t i = 0; i < half; ++i) {
    const double a = original[i];
    const double b = original[i + half];
    const double low = a * std::cos(angle[i]) - b * std::sin(angle[i]);
    const double high = b * std::cos(angle[i]) + a * std::sin(angle[i]);
    bench::check(std::fabs(v[i] - low) < 2e-6, "rope, lower half", v[i], low);
    bench::check(std::fabs(v[i + half] - high) < 2e-6, "rope, upper half", v[i + half], high);
  }
}

}  // namespace

int main() {
  bench::Random random(3);
  for (const uint32_t head_dim : {2u, 4u, 6u, 8u, 10u, 12u, 48u, 64u, 80u, 96u, 128u, 256u}) {
    hadamard_of(head_dim, random);
    rope_of(head_dim, random);
  }
  return bench::finish("tb_rotate");
}
