#include "packed_block.hpp"

namespace accllm::emulator::fast {
namespace {

/// With one more, which makes an odd number even.
constexpr uint32_t most_groups = accel::limit::columns / group_inputs + 1;

}  // namespace

PackedBlock::PackedBlock()
    : codes_(size_t{most_groups} * most_tokens * group_inputs),
      sums_(new int32_t[most_groups * most_tokens]) {}

BlockView PackedBlock::view(const Kernels& kernels, const Activations& act, Packing packing, uint32_t groups,
                            uint32_t first, uint32_t tokens, Pool& pool) {
  const uint32_t count = tokens - first;
  auto* codes = reinterpret_cast<int8_t*>(codes_.data());
  const bool same =
      valid_ && packing == packing_ && groups == groups_ && first == first_ && tokens == tokens_;
  if (!same) {
    pool.loop(count, 4, [&](uint32_t from, uint32_t to, uint32_t) {
      for (uint32_t t = from; t < to; ++t)
        kernels.pack(act.a[first + t], groups, t, count, packing, codes, sums_.get());
    });
    packing_ = packing;
    groups_ = groups;
    first_ = first;
    tokens_ = tokens;
    valid_ = true;
  }
  return {codes, sums_.get(), act.a_scale + first, count};
}

}  // namespace accllm::emulator::fast
