#include "attention.hpp"

#include <algorithm>
#include <atomic>

#include "kernels/kv_cache.hpp"

namespace accllm::emulator::fast {
namespace {

using namespace accel;

const float* floats(const Beat* beats) { return reinterpret_cast<const float*>(beats); }

/// The token's record and the rotations in it: at its position, and at the sinks' query position.
struct Record {
  const Beat* beats;

  uint32_t word(uint32_t index) const { return get_word(beats[0], index); }
  Rotation rotation(uint32_t head_dim, bool sink) const {
    const float* cosines = floats(beats + 1) + (sink ? head_dim : 0);
    return {cosines, cosines + head_dim / 2};
  }
};

/// Where the keys and the values of a kv head lie.
struct HeadRegion {
  uint8_t* keys;
  uint8_t* values;

  HeadRegion(const Ports& ports, const CacheShape& c, uint32_t kv_head) {
    Beat* channel = ports.kv[kv_head % ports.kv_channels];
    const uint32_t in_channel = kv_head / ports.kv_channels;
    keys = reinterpret_cast<uint8_t*>(channel + cache_region(c, in_channel, false));
    values = reinterpret_cast<uint8_t*>(channel + cache_region(c, in_channel, true));
  }
};

SlotView slot_view(uint8_t* region, const CacheShape& c, uint32_t slot) {
  uint8_t* block = region + size_t{slot / kv_block_slots} * c.block_beats * beat_bytes;
  const uint32_t lane = slot % kv_block_slots;
  return {block + 4 * lane, block + beat_bytes + size_t{lane} * c.head_dim / 2};
}

const float* means_of(const Ports& ports, const Descriptor& d, const CacheShape& c, uint32_t kv_head) {
  if (!d.has(flag::centered)) return nullptr;
  return floats(ports.table + d.field(field::attend::mean_offset)) + size_t{kv_head} * c.head_dim;
}

}  // namespace

Attention::Attention(const Kernels& kernels, Pool& pool)
    : kernels_(kernels),
      pool_(pool),
      spans_(most_tokens),
      outputs_(new float[size_t{most_tokens} * limit::head_elements]) {
  for (uint32_t t = 0; t < pool.threads(); ++t) scratch_.emplace_back(new AttendScratch);
}

void Attention::bind(const Invocation& call) { distances_.bind(call.table); }

void Attention::write(const Ports& ports, const Descriptor& d, const Batch& batch, uint32_t first,
                      Activations& act) {
  const CacheShape c = cache_shape(d, ports.kv_channels);
  std::atomic<bool> finite{true};
  // A head's tokens share blocks, so they stay on one thread.
  pool_.loop(
      c.kv_heads, std::max(1u, c.kv_heads / pool_.threads()), [&](uint32_t from, uint32_t to, uint32_t) {
        for (uint32_t head = from; head < to; ++head) {
          const HeadRegion region(ports, c, head);
          const float* means = means_of(ports, d, c, head);
          for (uint32_t t = first; t < batch.tokens; ++t) {
            const Record record{batch.records[t]};
            const uint32_t slot = slot_of(c, record.word(token_field::position));
            const size_t at = size_t{head} * c.head_dim;
            const bool good =
                kernels_.write_head(act.k[t] + at, act.v[t] + at, means, c.head_dim, d.has(flag::hadamard),
                                    record.rotation(c.head_dim, false), slot_view(region.keys, c, slot),
                                    slot_view(region.values, c, slot));
            if (!good) finite = false;
          }
        }
      });
  if (!finite) act.non_finite = true;
}

void Attention::attend(const Ports& ports, const Descriptor& d, const Batch& batch, uint32_t first,
                       Activations& act) {
  if (first >= batch.tokens) return;
  const CacheShape c = cache_shape(d, ports.kv_channels);
  const uint32_t heads = d.field(field::attend::heads);
  const uint32_t group = heads / c.kv_heads;
  const uint32_t tokens = batch.tokens - first;
  DistanceView distances = {};
  if (d.has(flag::centered))
    distances = distances_.view(ports, d.field(field::attend::distance_offset),
                                d.field(field::attend::distance_beats), c.sinks + c.window, c.head_dim);
  for (uint32_t t = first; t < batch.tokens; ++t) {
    const Record record{batch.records[t]};
    spans_[t].blocks(c, record.word(token_field::position), record.word(token_field::sink_position));
  }
  // A piece of work is all heads that share a kv head, of a few tokens, unless that leaves threads idle.
  const uint32_t pieces_wanted = pool_.threads() == 1 ? 1 : 2 * pool_.threads();
  uint32_t together = std::min(group, most_attend_heads);
  uint32_t tile = std::min(tokens, most_attend_tokens);
  const auto pieces = [&] { return ceil_div(tokens, tile) * c.kv_heads * ceil_div(group, together); };
  while (tile > 1 && pieces() < pieces_wanted) tile = ceil_div(tile, 2);
  while (together > 1 && pieces() < pieces_wanted) together = ceil_div(together, 2);
  const uint32_t parts = ceil_div(group, together);
  std::atomic<bool> finite{true};
  pool_.loop(pieces(), 1, [&](uint32_t from, uint32_t to, uint32_t thread) {
    for (uint32_t piece = from; piece < to; ++piece) {
      const uint32_t from_token = first + piece / (c.kv_heads * parts) * tile;
      const uint32_t kv_head = piece / parts % c.kv_heads;
      const uint32_t in_group = piece % parts * together;
      const size_t head = size_t{kv_head} * group + in_group;
      const HeadRegion region(ports, c, kv_head);
      AttendView view;
      view.token_count = std::min(tile, batch.tokens - from_token);
      for (uint32_t i = 0; i < view.token_count; ++i) {
        const uint32_t token = from_token + i;
        const Record record{batch.records[token]};
        const std::vector<SpanBlock>& blocks = spans_[token].blocks(c, record.word(token_field::position),
                                                                    record.word(token_field::sink_position));
        float* output = outputs_.get() + size_t{token} * limit::head_elements + head * c.head_dim;
        view.tokens[i] = {
            act.q[token] + head * c.head_dim,  output,        record.rotation(c.head_dim, false),
            record.rotation(c.head_dim, true), blocks.data(), static_cast<uint32_t>(blocks.size())};
      }
      view.heads = std::min(together, group - in_group);
      view.head_dim = c.head_dim;
      view.hadamard = d.has(flag::hadamard);
      view.means = means_of(ports, d, c, kv_head);
      view.score_scale = d.float_field(field::attend::score_scale_bits);
      view.mean_scale = d.float_field(field::attend::mean_scale_bits);
      view.distances = distances;
      view.keys = region.keys;
      view.values = region.values;
      view.block_bytes = size_t{c.block_beats} * beat_bytes;
      view.scratch = scratch_[thread].get();
      if (!kernels_.attend(view)) finite = false;
    }
  });
  pool_.loop(tokens, 1, [&](uint32_t from, uint32_t to, uint32_t) {
    for (uint32_t t = first + from; t < first + to; ++t) {
      const float* output = outputs_.get() + size_t{t} * limit::head_elements;
      if (!kernels_.quantize(output, heads * c.head_dim, act.a[t], &act.a_scale[t])) finite = false;
    }
  });
  if (!finite) act.non_finite = true;
}

}  // namespace accllm::emulator::fast
