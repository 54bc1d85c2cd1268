/* A project's host program: plain XRT calls, on the emulator here and on a card where it is linked with -lxrt_coreutil.
 * It checks what is most often forgotten: without a sync the other side sees old data. Usage: host XCLBIN */
#include <stdio.h>
#include <string.h>

#include "accllm_xrt.h"

#define BYTES 4096

static int check(int holds, const char* what) {
  printf("%s %s\n", holds ? "ok  " : "FAIL", what);
  return holds ? 0 : 1;
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  int failures = 0;
  xuid_t uuid;
  xrtDeviceHandle device = xrtDeviceOpen(0);
  if (check(device != NULL, "a device is open")) return 1;
  failures += check(xrtDeviceLoadXclbinFile(device, argv[1]) == 0, "the xclbin is loaded");
  failures += check(xrtDeviceGetXclbinUUID(device, uuid) == 0, "its UUID is known");
  xrtKernelHandle kernel = xrtPLKernelOpen(device, uuid, "accllm");
  if (check(kernel != NULL, "the kernel is open")) return 1;

  const int group = xrtKernelArgGroupId(kernel, 0);
  xrtBufferHandle buffer = xrtBOAlloc(device, BYTES, XRT_BO_FLAGS_NONE, (xrtMemoryGroup)group);
  if (check(buffer != NULL, "a buffer lies in the bank of argument 0")) return 1;
  unsigned char* map = xrtBOMap(buffer);
  memset(map, 0x5a, BYTES);
  failures += check(xrtBOSync(buffer, XCL_BO_SYNC_BO_TO_DEVICE, BYTES, 0) == 0, "it is sent");
  memset(map, 0, BYTES);
  failures += check(map[0] == 0, "the host sees its own memory until it syncs");
  failures += check(xrtBOSync(buffer, XCL_BO_SYNC_BO_FROM_DEVICE, BYTES, 0) == 0, "it is fetched");
  failures += check(map[0] == 0x5a && map[BYTES - 1] == 0x5a, "the device kept what was sent");

  xrtRunHandle run = xrtRunOpen(kernel);
  failures += check(xrtRunSetArg(run, 0, buffer) == 0, "the buffer is an argument");
  failures += check(xrtRunStart(run) == -1, "a run with arguments missing does not start");

  xrtRunClose(run);
  xrtBOFree(buffer);
  xrtKernelClose(kernel);
  xrtDeviceClose(device);
  return failures != 0;
}
