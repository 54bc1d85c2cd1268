#include "distances.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "accllm/beat.hpp"

namespace accllm::emulator::fast {
namespace {

/// Lanes that are not attended may reach as far past either end.
constexpr uint32_t margin = block_slots;

}  // namespace

void DistanceCache::bind(const PortMemory& table) {
  if (table.data == table_.data && table.bytes == table_.bytes && table.generation == table_.generation)
    return;
  tables_.clear();
  table_ = table;
}

DistanceView DistanceCache::view(const accel::Ports& ports, uint32_t offset, uint32_t row_beats,
                                 uint32_t rows, uint32_t head_dim) {
  Table& table = tables_[{offset, row_beats, rows, head_dim}];
  if (table.memory != nullptr) return table.view;
  constexpr size_t line_words = line_bytes / sizeof(int32_t);
  const size_t stride = (size_t{rows} + 2 * margin + line_words - 1) / line_words * line_words;
  const size_t bytes = stride * (head_dim / 2) * sizeof(int32_t);
  auto memory = std::make_unique<AlignedBytes>(bytes);
  auto* words = reinterpret_cast<int32_t*>(memory->data());
  std::memset(words, 0, bytes);
  double largest = 0.0;
  for (uint32_t d = 0; d < rows; ++d) {
    const accel::Beat* row = ports.table + offset + size_t{d} * row_beats;
    for (uint32_t k = 0; k < head_dim / 2; ++k) {
      const uint32_t word = accel::get_word(row[k / accel::beat_words], k % accel::beat_words);
      words[k * stride + margin + rows - 1 - d] = static_cast<int32_t>(word);
      const double cosine = static_cast<int16_t>(word);
      const double sine = static_cast<int16_t>(word >> 16);
      largest = std::max(largest, cosine * cosine + sine * sine);
    }
  }
  // One more than the root, which no rounding uses up.
  const auto radius = static_cast<float>(std::sqrt(largest) + 1.0);
  table = {std::move(memory), {words, stride, static_cast<int32_t>(margin + rows - 1), radius}};
  return table.view;
}

}  // namespace accllm::emulator::fast
