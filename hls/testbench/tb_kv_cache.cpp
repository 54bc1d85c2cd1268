/// \file
/// What is written to the 4-bit cache comes back within half a step, in its own slot and nowhere else.

#include <cmath>
#include <vector>

#include "check.hpp"
#include "kernels/kv_cache.hpp"

using namespace accel;

namespace {

CacheShape shape(uint32_t head_dim, uint32_t sinks, uint32_t window) {
  Descriptor d = {};
  d.words[field::rope_kv::kv_offset] = 5;
  d.words[field::rope_kv::kv_heads] = 3;
  d.words[field::rope_kv::head_dim] = head_dim;
  d.words[field::rope_kv::sinks] = sinks;
  d.words[field::rope_kv::window] = window;
  d.words[field::rope_kv::ring] = window + limit::block_tokens - 1;
  return cache_shape(d, 2);
}

void round_trip(uint32_t head_dim, bench::Random& random) {
  const CacheShape c = shape(head_dim, 3, 20);
  std::vector<Beat> kv(c.offset + c.layer_beats, zero_beat());
  const uint32_t slots = c.sinks + c.ring;
  std::vector<std::vector<float>> written(slots, std::vector<float>(head_dim));
  const uint32_t region = cache_region(c, 1, true);
  bool non_finite = false;
  for (uint32_t slot = 0; slot < slots; ++slot) {
    const float size = std::ldexp(1.0f, static_cast<int>(random.below(12)) - 6);
    for (float& x : written[slot]) x = size * (random.symmetric() + 0.3f);
    write_cached(kv.data(), c, region, slot, written[slot].data(), non_finite);
  }
  bench::check(!non_finite, "finite values");
  for (uint32_t slot = 0; slot < slots; ++slot) {
    CachedVector got;
    read_cached(kv.data(), c, region, slot, got);
    // Half a step, and what rounding scale and minimum to float16 adds over fifteen steps.
    const float bound = got.scale * 0.5f + (15.0f * got.scale + std::fabs(got.minimum)) / 1024.0f;
    for (uint32_t e = 0; e < head_dim; ++e) {
      const float value = got.minimum + got.scale * static_cast<float>(got.codes[e]);
      bench::check(std::fabs(value - written[slot][e]) <= bound, "cached value", value, written[slot][e]);
    }
  }
  for (uint32_t b = 0; b < region; ++b) {
    for (uint32_t w = 0; w < beat_words; ++w)
      bench::check(get_word(kv[b], w) == 0, "beats before the region");
  }
}

void edges() {
  const CacheShape c = shape(8, 0, 4);
  std::vector<Beat> kv(c.offset + c.layer_beats, zero_beat());
  bool non_finite = false;
  const float constant[8] = {-0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f, 0.0f};
  write_cached(kv.data(), c, c.offset, 0, constant, non_finite);
  bench::check(get_word(kv[c.offset], 0) == 0, "zeros are stored as +0", get_word(kv[c.offset], 0));
  const float huge[8] = {3e38f, -3e38f, 0, 0, 0, 0, 0, 0};
  write_cached(kv.data(), c, c.offset, 1, huge, non_finite);
  bench::check(get_word(kv[c.offset], 1) == 0xfbff7bffu, "saturates", get_word(kv[c.offset], 1));
  bench::check(!non_finite, "huge is finite");
  const float bad[8] = {1, 2, NAN, 4, 5, 6, 7, 8};
  write_cached(kv.data(), c, c.offset, 2, bad, non_finite);
  bench::check(non_finite && get_word(kv[c.offset], 2) == 0, "NaN is flagged and stored as zeros");
}

void slots() {
  const CacheShape c = shape(8, 3, 20);
  bench::check(slot_of(c, 2) == 2 && slot_of(c, 3) == 3, "sinks, then the ring");
  bench::check(slot_of(c, 3 + c.ring) == 3 && slot_of(c, 4 + 7 * c.ring) == 4, "the ring comes round");
  const AttentionSpan early = attention_span(c, 1);
  bench::check(early.sinks == 2 && early.recent == 0, "only sinks at the start");
  const AttentionSpan late = attention_span(c, 1000);
  bench::check(late.sinks == 3 && late.first == 981 && late.recent == 20, "sinks and window");
}

}  // namespace

int main() {
  bench::Random random(11);
  for (const uint32_t head_dim : {2u, 6u, 8u, 12u, 64u, 80u, 128u, 256u}) round_trip(head_dim, random);
  edges();
  slots();
  return bench::finish("tb_kv_cache");
}
