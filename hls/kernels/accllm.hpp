#pragma once

#include "accllm/beat.hpp"

/// The kernel for the U280: one pointer a memory argument of quant/format/platform.ts, and the job's beat in
/// io.
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
    accel::Beat* kv30, accel::Beat* kv31, const accel::Beat* table, accel::Beat* io, uint32_t job);
