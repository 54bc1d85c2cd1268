#include "extents.hpp"

namespace accllm::emulator {
namespace {

bool fits(std::uint64_t offset, std::uint64_t beats, std::uint64_t extent) {
  return offset <= extent && beats <= extent - offset;
}

bool rows_fit(std::uint64_t offset, std::uint64_t rows, std::uint64_t stride, std::uint64_t row,
              std::uint64_t extent) {
  return rows == 0 || fits(offset, (rows - 1) * stride + row, extent);
}

std::uint64_t float_beats(std::uint64_t count) { return (count + beat_words - 1) / beat_words; }

std::uint64_t record_beats(const Descriptor& d) {
  return 1 + float_beats(2 * d.field(field::rope_kv::head_dim));
}

bool cache_within(const Descriptor& d, const Job& job, const Extents& extents, std::uint32_t kv_channels) {
  const CacheShape c = cache_shape(d, kv_channels);
  if (!fits(c.offset, c.layer_beats, extents.kv)) return false;
  if (record_beats(d) > job.input_stride) return false;
  return !d.has(flag::centered) || fits(d.field(field::rope_kv::mean_offset),
                                        float_beats(std::uint64_t{c.kv_heads} * c.head_dim), extents.table);
}

bool distances_within(const Descriptor& d, const Extents& extents) {
  if (!d.has(flag::centered)) return true;
  const std::uint64_t rows = std::uint64_t{d.field(field::attend::sinks)} + d.field(field::attend::window);
  const std::uint64_t stride = d.field(field::attend::distance_beats);
  const std::uint64_t row = (std::uint64_t{d.field(field::attend::head_dim)} + 31) / 32;
  return stride >= row && rows_fit(d.field(field::attend::distance_offset), rows, stride, row, extents.table);
}

}  // namespace

bool job_within(const Job& job, const Extents& extents) {
  return fits(job.command_offset, job.command_count, extents.io) &&
         rows_fit(job.input_offset, job.tokens, job.input_stride, 1, extents.io) && job.input_stride > 0 &&
         rows_fit(job.input_offset, job.tokens, job.input_stride, job.input_stride, extents.io) &&
         fits(job.status_offset, status_beats, extents.io);
}

bool descriptor_within(const Descriptor& d, const Job& job, const Extents& extents,
                       std::uint32_t weight_channels, std::uint32_t kv_channels) {
  switch (d.operation()) {
    case operation::embed: {
      const std::uint64_t row = (std::uint64_t{d.field(field::embed::hidden)} + 31) / 32;
      return rows_fit(d.field(field::embed::table_offset), d.field(field::embed::vocabulary),
                      d.field(field::embed::row_beats), row, extents.table);
    }
    case operation::norm:
      return fits(d.field(field::norm::gain_offset), float_beats(d.field(field::norm::length)),
                  extents.table);
    case operation::matmul:
      return fits(d.field(field::matmul::weight_offset), matrix_shape(d, weight_channels).beats,
                  extents.weight) &&
             (!d.has(flag::biased) || fits(d.field(field::matmul::bias_offset),
                                           float_beats(d.field(field::matmul::rows)), extents.table));
    case operation::rope_kv:
      return cache_within(d, job, extents, kv_channels);
    case operation::attend:
      return cache_within(d, job, extents, kv_channels) && distances_within(d, extents);
    case operation::logits:
      return fits(d.field(field::logits::weight_offset), matrix_shape(d, weight_channels).beats,
                  extents.weight) &&
             rows_fit(d.field(field::logits::io_offset), job.tokens, d.field(field::logits::row_beats),
                      float_beats(d.field(field::logits::rows)), extents.io);
    case operation::dump:
      return rows_fit(d.field(field::dump::io_offset), job.tokens, d.field(field::dump::row_beats),
                      d.field(field::dump::row_beats), extents.io);
    default:
      return true;
  }
}

}  // namespace accllm::emulator
