/// \file
/// The kernel that v++ compiles for the U280: port declarations around the dataflow design. Arguments,
/// bundles and banks come from quant/format/platform.ts; a test compares them with this signature.

#include "accllm.hpp"

#include "dataflow/design.hpp"

extern "C" void accllm(
    const accel::Beat* w0, const accel::Beat* w1, const accel::Beat* w2, const accel::Beat* w3,
    const accel::Beat* w4, const accel::Beat* w5, const accel::Beat* w6, const accel::Beat* w7,
    const accel::Beat* w8, const accel::Beat* w9, const accel::Beat* w10, const accel::Beat* w11,
    const accel::Beat* w12, const accel::Beat* w13, const accel::Beat* w14, const accel::Beat* w15,
    const accel::Beat* w16, const accel::Beat* w17, const accel::Beat* w18, const accel::Beat* w19,
    const accel::Beat* w20, const accel::Beat* w21, const accel::Beat* w22, const accel::Beat* w23,
    const accel::Beat* w24, const accel::Beat* w25, const accel::Beat* w26, const accel::Beat* w27,
    const accel::Beat* w28, const accel::Beat* w29, const accel::Beat* w30, const accel::Beat* w31,
    accel::Beat* kv0, accel::Beat* kv1, accel::Beat* kv2, accel::Beat* kv3, accel::Beat* kv4,
    accel::Beat* kv5, accel::Beat* kv6, accel::Beat* kv7, accel::Beat* kv8, accel::Beat* kv9,
    accel::Beat* kv10, accel::Beat* kv11, accel::Beat* kv12, accel::Beat* kv13, accel::Beat* kv14,
    accel::Beat* kv15, accel::Beat* kv16, accel::Beat* kv17, accel::Beat* kv18, accel::Beat* kv19,
    accel::Beat* kv20, accel::Beat* kv21, accel::Beat* kv22, accel::Beat* kv23, accel::Beat* kv24,
    accel::Beat* kv25, accel::Beat* kv26, accel::Beat* kv27, accel::Beat* kv28, accel::Beat* kv29,
    accel::Beat* kv30, accel::Beat* kv31, const accel::Beat* table, accel::Beat* io, uint32_t job) {
#pragma HLS INTERFACE m_axi port = w0 offset = slave bundle = gmem_w0 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w1 offset = slave bundle = gmem_w1 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w2 offset = slave bundle = gmem_w2 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w3 offset = slave bundle = gmem_w3 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w4 offset = slave bundle = gmem_w4 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w5 offset = slave bundle = gmem_w5 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w6 offset = slave bundle = gmem_w6 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w7 offset = slave bundle = gmem_w7 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w8 offset = slave bundle = gmem_w8 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w9 offset = slave bundle = gmem_w9 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w10 offset = slave bundle = gmem_w10 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w11 offset = slave bundle = gmem_w11 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w12 offset = slave bundle = gmem_w12 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w13 offset = slave bundle = gmem_w13 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w14 offset = slave bundle = gmem_w14 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w15 offset = slave bundle = gmem_w15 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w16 offset = slave bundle = gmem_w16 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w17 offset = slave bundle = gmem_w17 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w18 offset = slave bundle = gmem_w18 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w19 offset = slave bundle = gmem_w19 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w20 offset = slave bundle = gmem_w20 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w21 offset = slave bundle = gmem_w21 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w22 offset = slave bundle = gmem_w22 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w23 offset = slave bundle = gmem_w23 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w24 offset = slave bundle = gmem_w24 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w25 offset = slave bundle = gmem_w25 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w26 offset = slave bundle = gmem_w26 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w27 offset = slave bundle = gmem_w27 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w28 offset = slave bundle = gmem_w28 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w29 offset = slave bundle = gmem_w29 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w30 offset = slave bundle = gmem_w30 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = w31 offset = slave bundle = gmem_w31 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv0 offset = slave bundle = gmem_w0 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv1 offset = slave bundle = gmem_w1 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv2 offset = slave bundle = gmem_w2 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv3 offset = slave bundle = gmem_w3 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv4 offset = slave bundle = gmem_w4 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv5 offset = slave bundle = gmem_w5 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv6 offset = slave bundle = gmem_w6 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv7 offset = slave bundle = gmem_w7 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv8 offset = slave bundle = gmem_w8 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv9 offset = slave bundle = gmem_w9 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv10 offset = slave bundle = gmem_w10 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv11 offset = slave bundle = gmem_w11 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv12 offset = slave bundle = gmem_w12 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv13 offset = slave bundle = gmem_w13 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv14 offset = slave bundle = gmem_w14 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv15 offset = slave bundle = gmem_w15 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv16 offset = slave bundle = gmem_w16 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv17 offset = slave bundle = gmem_w17 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv18 offset = slave bundle = gmem_w18 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv19 offset = slave bundle = gmem_w19 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv20 offset = slave bundle = gmem_w20 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv21 offset = slave bundle = gmem_w21 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv22 offset = slave bundle = gmem_w22 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv23 offset = slave bundle = gmem_w23 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv24 offset = slave bundle = gmem_w24 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv25 offset = slave bundle = gmem_w25 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv26 offset = slave bundle = gmem_w26 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv27 offset = slave bundle = gmem_w27 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv28 offset = slave bundle = gmem_w28 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv29 offset = slave bundle = gmem_w29 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv30 offset = slave bundle = gmem_w30 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = kv31 offset = slave bundle = gmem_w31 max_read_burst_length = 64
#pragma HLS INTERFACE m_axi port = table offset = slave bundle = gmem_table
#pragma HLS INTERFACE m_axi port = io offset = slave bundle = gmem_io
#pragma HLS INTERFACE s_axilite port = job
#pragma HLS INTERFACE s_axilite port = return
  using Config = accel::config::u280;
  static_assert(Config::weight_channels == 32 && Config::kv_channels == 32, "one argument a channel");
  static accel::dataflow::EngineMemory<Config> memory;
  static accel::dataflow::Wires<Config, accel::Numbers> wires;
  const accel::Beat* const weights[] = {w0,  w1,  w2,  w3,  w4,  w5,  w6,  w7,  w8,  w9,  w10,
                                        w11, w12, w13, w14, w15, w16, w17, w18, w19, w20, w21,
                                        w22, w23, w24, w25, w26, w27, w28, w29, w30, w31};
  accel::Beat* const cache[] = {kv0,  kv1,  kv2,  kv3,  kv4,  kv5,  kv6,  kv7,  kv8,  kv9,  kv10,
                                kv11, kv12, kv13, kv14, kv15, kv16, kv17, kv18, kv19, kv20, kv21,
                                kv22, kv23, kv24, kv25, kv26, kv27, kv28, kv29, kv30, kv31};
  const accel::dataflow::Memories memories = {weights, cache, table, io};
  // Matrices in LUTs, the cache in DSPs: together the DSPs would not suffice (docs/accelerator.md).
  accel::dataflow::run_job<Config, accel::Numbers, accel::LutMultiplier, accel::DspMultiplier>(memories, job,
                                                                                               memory, wires);
}
