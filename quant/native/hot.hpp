#pragma once

/** Compiled for several vector widths, chosen when the library is loaded. */
#if defined(__x86_64__) && defined(__linux__) && !defined(__SANITIZE_ADDRESS__)
#define ACCLLM_HOT __attribute__((target_clones("avx512f", "avx2", "default")))
#else
#define ACCLLM_HOT
#endif
