#pragma once

#include "accllm/activations.hpp"
#include "accllm/descriptor.hpp"
#include "kv_cache.hpp"
#include "rotate.hpp"

namespace accel {

/// A key less its calibrated mean; `means` is null where keys are not centered.
template <uint32_t Most = limit::head_dim>
void center_key(const float* key, const Beat* means, uint32_t mean_word, uint32_t head_dim, float* v) {
  for (uint32_t i = 0; i < Most && i < head_dim; ++i) {
#pragma HLS PIPELINE II = 1
    v[i] = means != nullptr ? key[i] - load_float(means, mean_word + i) : key[i];
  }
}

/// Centers and rotates the keys of one token, rotates its values, and writes both to the cache in 4 bits
/// (docs/numerics.md, "ropeKv").
inline void rope_kv(const Ports& ports, const Descriptor& d, const Beat* record, uint32_t token,
                    Activations& act) {
  const CacheShape c = cache_shape(d, ports.kv_channels);
  const Beat* means = ports.table + d.field(field::rope_kv::mean_offset);
  const uint32_t slot = slot_of(c, get_word(record[0], token_field::position));
  for (uint32_t head = 0; head < c.kv_heads; ++head) {
    Beat* kv = ports.kv[head % ports.kv_channels];
    const uint32_t in_channel = head / ports.kv_channels;
    float v[limit::head_dim] = {};
    center_key(act.k[token] + head * c.head_dim, d.has(flag::centered) ? means : nullptr, head * c.head_dim,
               c.head_dim, v);
    rope(v, c.head_dim, record + 1, 0);
    if (d.has(flag::hadamard)) hadamard(v, c.head_dim);
    write_cached(kv, c, cache_region(c, in_channel, false), slot, v, act.non_finite);
    for (uint32_t i = 0; i < c.head_dim; ++i) v[i] = act.v[token][head * c.head_dim + i];
    if (d.has(flag::hadamard)) hadamard(v, c.head_dim);
    write_cached(kv, c, cache_region(c, in_channel, true), slot, v, act.non_finite);
  }
}

}  // namespace accel
