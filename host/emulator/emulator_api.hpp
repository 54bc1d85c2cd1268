#pragma once

#include <cstddef>
#include <cstdint>

#include "accllm_xrt.h"

// What the emulator exports beside XRT's symbols. A host looks these up and does without them on a card.
extern "C" {

/// Ends a running execution early: its state becomes ERT_CMD_STATE_ABORT. XRT has this in C++ only
/// (xrt::run::abort). 0, or -1 and errno.
ACCLLM_EXPORT int accllmEmuRunAbort(xrtRunHandle run);

/// Text of the last error on the calling thread, never null; valid until the thread's next failing call. XRT
/// writes it to its message log.
ACCLLM_EXPORT const char* accllmEmuLastError();

/// Chooses the engine of the runs started from now on: "golden" (the kernel's C++ sources) or "fast" (SIMD
/// and threads, the same bits). Devices open with the one that ACCLLM_EMU_ENGINE names, golden without it. 0,
/// or -1 and errno.
ACCLLM_EXPORT int accllmEmuSetEngine(xrtDeviceHandle device, const char* name);

/// Switches a fault on; `kind` as in enum Fault (faults.hpp). `address` and `bit` belong to bit_flip. 0, or
/// -1 and errno.
ACCLLM_EXPORT int accllmEmuSetFault(xrtDeviceHandle device, std::uint32_t kind, std::uint64_t address,
                                    std::uint32_t bit);

/// Device memory of a buffer, from its start on, becomes `size` bytes of an open file from `offset` on, in
/// whole pages: what a copy would leave there, without the copy. Pages are copied where they are written. The
/// file may be closed afterwards, but not cut off. 0, or -1 and errno.
ACCLLM_EXPORT int accllmEmuTakeFile(xrtBufferHandle buffer, int file, std::size_t offset, std::size_t size);

/// Uncorrectable ECC errors of the device so far; 0 for a handle that is not open. A card counts them in its
/// driver's sysfs.
ACCLLM_EXPORT std::uint64_t accllmEmuEccErrors(xrtDeviceHandle device);

}  // extern "C"
