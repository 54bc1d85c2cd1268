// Compiled, never run: XRT's own declarations and the emulator's in one file. A parameter or a result that
// differs is a conflicting declaration, which the compiler refuses.
#include <experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#include "accllm_xrt.h"
