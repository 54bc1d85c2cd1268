#include "distances.hpp"

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
  const size_t stride = size_t{rows} + 2 * margin;
  std::vector<int32_t>& words = tables_[{offset, row_beats, rows, head_dim}];
  if (words.empty()) {
    words.assign(stride * (head_dim / 2), 0);
    for (uint32_t d = 0; d < rows; ++d) {
      const accel::Beat* row = ports.table + offset + size_t{d} * row_beats;
      for (uint32_t k = 0; k < head_dim / 2; ++k)
        words[k * stride + margin + rows - 1 - d] =
            static_cast<int32_t>(accel::get_word(row[k / accel::beat_words], k % accel::beat_words));
    }
  }
  return {words.data(), stride, static_cast<int32_t>(margin + rows - 1)};
}

}  // namespace accllm::emulator::fast
