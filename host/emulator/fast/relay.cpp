#include "relay.hpp"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace accllm::emulator::fast {
namespace {

using namespace accel;

constexpr uint32_t unit_words = beat_words / tile_rows;
constexpr uint32_t quads = group_size / 4;

uint32_t lines_per_chunk(const MatrixShape& m) { return m.sparse ? 1 : m.planes; }

MatrixView empty_view(const MatrixShape& m, bool compact) {
  MatrixView view = {};
  view.rows = m.rows;
  view.groups = m.groups;
  view.format = m.format;
  view.group_bytes = size_t{chunks} * lines_per_chunk(m) * line_bytes;
  view.compact = compact;
  view.set_bytes = compact ? compact_set_bytes : set_bytes(view.group_bytes);
  view.panel_bytes = set_count(m.groups) * view.set_bytes;
  return view;
}

/// What stands before the codes of a compact panel's sets, for rows and groups that the matrix does not have:
/// scales of 0, and zero codes in the middle, so that they are not taken for large weights.
void clear_grids(uint8_t* panel, uint32_t groups) {
  constexpr int middle = 0x33;
  for (uint32_t set = 0; set < set_count(groups); ++set) {
    uint8_t* start = panel + set * compact_set_bytes;
    std::memset(start, middle, compact_scales_at);
    std::memset(start + compact_scales_at, 0, compact_codes_at - compact_scales_at);
  }
}

/// What the image says of one row and group.
struct Unit {
  const uint32_t* planes[4];
  uint32_t scale;
  /// The zero code: 2z, or for W8 2z / 16.
  uint32_t zero;
};

/// The two low-bit nibbles of the six keep patterns for all sixteen pairs of codes (panel.hpp), as two bytes.
struct SparseTable {
  uint16_t nibbles[6][16];
  /// Patterns of the three quads of a byte.
  uint8_t patterns[256][3];

  SparseTable() {
    for (uint32_t p = 0; p < 6; ++p) {
      for (uint32_t codes = 0; codes < 16; ++codes) {
        uint32_t pair = 0;
        for (uint32_t k = 0; k < 2; ++k) {
          const uint32_t position = keep_patterns[p][k];
          const uint32_t code = (codes >> (2 * k)) & 3;
          pair |= ((position >> 1) * 8 + code * 2 + (position & 1)) << (8 * k);
        }
        nibbles[p][codes] = static_cast<uint16_t>(pair);
      }
    }
    for (uint32_t byte = 0; byte < 256; ++byte) {
      patterns[byte][0] = static_cast<uint8_t>(byte % 6);
      patterns[byte][1] = static_cast<uint8_t>(byte / 6 % 6);
      patterns[byte][2] = static_cast<uint8_t>(byte / 36 % 6);
    }
  }
};

const SparseTable& sparse_table() {
  static const SparseTable table;
  return table;
}

/// Sum of the sixteen 2-bit codes of a word.
uint32_t count_codes(uint32_t plane) {
  const uint32_t nibbles = (plane & 0x33333333u) + ((plane >> 2) & 0x33333333u);
  const uint32_t bytes = (nibbles & 0x0f0f0f0fu) + ((nibbles >> 4) & 0x0f0f0f0fu);
  return (bytes * 0x01010101u) >> 24;
}

void put(uint8_t* line, uint32_t lane, uint32_t word) { std::memcpy(line + 4 * lane, &word, 4); }

/// Lays the codes of one unit; returns the sum of 2c - zh over its kept weights.
int64_t lay_sparse(const uint32_t* unit, uint8_t* codes, uint32_t lane, int32_t zero_half) {
  const SparseTable& table = sparse_table();
  const uint64_t kept = unit[0] | (uint64_t{unit[1]} << 32);
  const uint64_t places = unit[2] | (uint64_t{unit[3]} << 32);
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    uint32_t word = 0;
    for (uint32_t q = 0; q < 4; ++q) {
      const uint32_t quad = 4 * chunk + q;
      const uint32_t pattern = quad == quads - 1
                                   ? static_cast<uint32_t>((places >> 40) & 7) % 6
                                   : table.patterns[(places >> (8 * (quad / 3))) & 0xff][quad % 3];
      const uint32_t pair = table.nibbles[pattern][(kept >> (4 * quad)) & 15];
      word |= pair << (16 * (q & 1) + 4 * (q >> 1));
    }
    put(codes + chunk * line_bytes, lane, word);
  }
  return 2 * int64_t{count_codes(unit[0]) + count_codes(unit[1])} - int64_t{zero_half} * (group_size / 2);
}

/// Low and high nibbles of fields 0 and 2, and of fields 1 and 3, of two planes of 2-bit codes.
struct Nibbles {
  uint32_t even;
  uint32_t odd;
};

Nibbles join(uint32_t low, uint32_t high) {
  constexpr uint32_t mask = 0x33333333u;
  return {(low & mask) | ((high & mask) << 2), ((low >> 2) & mask) | (high & ~mask)};
}

int64_t lay_dense(const Unit& unit, uint32_t planes, uint8_t* codes, uint32_t lane, int32_t zero_half) {
  int64_t sum = 0;
  for (uint32_t chunk = 0; chunk < chunks; ++chunk) {
    uint8_t* lines = codes + size_t{chunk} * planes * line_bytes;
    for (uint32_t p = 0; p < planes; ++p) sum += int64_t{count_codes(unit.planes[p][chunk])} << (2 * p);
    if (planes == 1) {
      put(lines, lane, unit.planes[0][chunk]);
      continue;
    }
    const Nibbles low = join(unit.planes[0][chunk], unit.planes[1][chunk]);
    if (planes == 2) {
      put(lines, lane, low.even);
      put(lines + line_bytes, lane, low.odd);
      continue;
    }
    const Nibbles high = join(unit.planes[2][chunk], unit.planes[3][chunk]);
    constexpr uint32_t nibble = 0x0f0f0f0fu;
    put(lines, lane, (low.even & nibble) | ((high.even & nibble) << 4));
    put(lines + line_bytes, lane, (low.odd & nibble) | ((high.odd & nibble) << 4));
    put(lines + 2 * line_bytes, lane, ((low.even >> 4) & nibble) | (high.even & ~nibble));
    put(lines + 3 * line_bytes, lane, ((low.odd >> 4) & nibble) | (high.odd & ~nibble));
  }
  return 2 * sum - int64_t{zero_half} * group_size;
}

/// Finds a row's parts in its weight channel.
class RowReader {
 public:
  RowReader(const Ports& ports, const MatrixShape& m, uint32_t row) : m_(m), lane_(row % tile_rows) {
    const uint32_t tile = row / tile_rows;
    const uint32_t in_channel = tile / ports.weight_channels;
    const uint32_t run = in_channel / tiles_per_exponent_beat;
    const uint32_t in_run = in_channel % tiles_per_exponent_beat;
    const Beat* beats = ports.weight[tile % ports.weight_channels] + m.offset +
                        size_t{run} * (tiles_per_exponent_beat * m.tile_beats + 1);
    exponent_ = static_cast<int8_t>(get_bits(beats[0], 8 * (in_run * tile_rows + lane_), 8));
    tile_ = beats + 1 + size_t{in_run} * m.tile_beats;
  }

  int8_t exponent() const { return exponent_; }

  Unit unit(uint32_t group) const {
    Unit unit = {};
    if (m_.sparse) {
      const Beat& beat = tile_[group];
      unit.planes[0] = words(beat);
      unit.zero = get_bits(beat, 128 * lane_ + 108, 4);
      unit.scale = get_bits(beat, 128 * lane_ + 112, 16);
      return unit;
    }
    const uint32_t in_run = group % groups_per_scale_beat;
    const Beat* scales =
        tile_ + size_t{group / groups_per_scale_beat} * (groups_per_scale_beat * m_.planes + 1);
    const uint32_t entry = in_run * tile_rows + lane_;
    unit.scale = get_bits(*scales, 16 * entry, 16);
    unit.zero = get_bits(*scales, 384 + 5 * entry, 5);
    for (uint32_t p = 0; p < m_.planes; ++p) unit.planes[p] = words(scales[1 + in_run * m_.planes + p]);
    return unit;
  }

 private:
  const uint32_t* words(const Beat& beat) const { return beat.words + unit_words * lane_; }

  const MatrixShape& m_;
  uint32_t lane_;
  int8_t exponent_;
  const Beat* tile_;
};

}  // namespace

AlignedBytes::AlignedBytes(size_t bytes) {
  // Streaming through many small pages costs more than the reads themselves.
  constexpr size_t huge_page = size_t{2} << 20;
  const size_t alignment = bytes >= huge_page ? huge_page : line_bytes;
  const size_t size = (bytes + alignment - 1) / alignment * alignment;
  data_ = static_cast<uint8_t*>(std::aligned_alloc(alignment, size));
  if (data_ == nullptr) throw std::bad_alloc();
#ifdef MADV_HUGEPAGE
  if (alignment == huge_page) madvise(data_, size, MADV_HUGEPAGE);
#endif
}

AlignedBytes::~AlignedBytes() { std::free(data_); }

size_t PanelMatrix::bytes(const MatrixShape& shape, bool compact) {
  return size_t{ceil_div(shape.rows, panel_rows)} * empty_view(shape, compact).panel_bytes;
}

PanelMatrix::PanelMatrix(const MatrixShape& shape, bool compact, uint8_t* place)
    : panels_(ceil_div(shape.rows, panel_rows)),
      view_(empty_view(shape, compact)),
      place_(place),
      exponents_(size_t{panels_} * panel_rows),
      weight_sums_(size_t{panels_} * panel_rows),
      notes_(size_t{panels_} * set_count(shape.groups)) {}

bool PanelMatrix::put_grid(uint8_t* panel, uint32_t lane, uint32_t group, uint32_t zero,
                           uint32_t scale) const {
  const GroupPlace at = place_of(view_, group);
  if (view_.compact) {
    if (scale % compact_scale_unit != 0 || zero > compact_most_zero) return false;
    const size_t place = 2 * lane + group % 2;
    const uint32_t shift = group % set_groups / 2 * 4;
    uint8_t& zeros = panel[at.zeros + place];
    zeros = static_cast<uint8_t>((zeros & ~(15u << shift)) | (zero << shift));
    panel[at.scales + place] = static_cast<uint8_t>(scale / compact_scale_unit);
    return true;
  }
  const auto narrow = static_cast<uint16_t>(scale);
  panel[at.zeros + lane] = static_cast<uint8_t>(zero);
  std::memcpy(panel + at.scales + 2 * lane, &narrow, 2);
  return true;
}

bool PanelMatrix::lay(const Ports& ports, const MatrixShape& m, uint32_t index, const Kernels& kernels) {
  uint8_t* panel = place_ + index * view_.panel_bytes;
  const bool whole = (index + 1) * panel_rows <= m.rows;
  if (!whole) std::memset(panel, 0, view_.panel_bytes);
  if (view_.compact) clear_grids(panel, m.groups);
  for (uint32_t lane = 0; lane < panel_rows; ++lane) {
    const uint32_t row = index * panel_rows + lane;
    if (row >= m.rows) break;
    const RowReader reader(ports, m, row);
    int64_t weight_sum = 0;
    for (uint32_t g = 0; g < m.groups; ++g) {
      const Unit unit = reader.unit(g);
      if (!put_grid(panel, lane, g, unit.zero, unit.scale)) return false;
      const auto zero_half = static_cast<int32_t>(unit.zero << format_zero_shift[m.format]);
      uint8_t* codes = panel + place_of(view_, g).codes;
      const int64_t sum = m.sparse ? lay_sparse(unit.planes[0], codes, lane, zero_half)
                                   : lay_dense(unit, m.planes, codes, lane, zero_half);
      weight_sum += sum * unit.scale;
    }
    weight_sums_[row] = weight_sum;
    exponents_[row] = reader.exponent();
  }
  if (kernels.arrange != nullptr)
    kernels.arrange(view_, index, panel, notes_.data() + size_t{index} * set_count(m.groups));
  return true;
}

MatrixView PanelMatrix::view() const {
  MatrixView view = view_;
  view.panels = place_;
  view.exponents = exponents_.data();
  view.weight_sums = weight_sums_.data();
  view.notes = notes_.data();
  return view;
}

}  // namespace accllm::emulator::fast
