/* A host program as a user writes it, against XRT's own headers. It runs unchanged on XRT in noop mode and on
 * the emulator and must print the same on both: program XCLBIN. */
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <xrt.h>
#include <experimental/xrt_xclbin.h>
#include <xrt/xrt_bo.h>
#include <xrt/xrt_device.h>
#include <xrt/xrt_kernel.h>

#define ARGUMENTS 6
#define MEMORY_ARGUMENTS 5
#define BYTES 8192

static void print_uuid(const char* what, const unsigned char* uuid) {
  printf("%s ", what);
  for (int i = 0; i < 16; ++i) printf("%02x", uuid[i]);
  printf("\n");
}

static void print_xclbin(const char* path) {
  xrtXclbinHandle xclbin = xrtXclbinAllocFilename(path);
  printf("xclbin read: %d\n", xclbin != NULL);
  char name[64] = "";
  int length = 0;
  printf("xsa: %d", xrtXclbinGetXSAName(xclbin, name, sizeof name, &length));
  printf(" %s\n", name);
  xuid_t uuid;
  printf("uuid: %d\n", xrtXclbinGetUUID(xclbin, uuid));
  print_uuid("uuid of the file", uuid);
  printf("kernels: %zu, compute units: %zu\n", xrtXclbinGetNumKernels(xclbin),
         xrtXclbinGetNumKernelComputeUnits(xclbin));
  printf("free: %d", xrtXclbinFreeHandle(xclbin));
  printf(", again: %d\n", xrtXclbinFreeHandle(xclbin));
  printf("absent file: %d\n", xrtXclbinAllocFilename("/absent/file") != NULL);
}

static void print_kernel(xrtKernelHandle kernel) {
  for (int i = 0; i < ARGUMENTS; ++i)
    printf("argument %d: group %d, offset %u\n", i, xrtKernelArgGroupId(kernel, i),
           xrtKernelArgOffset(kernel, i));
  printf("argument %d: group %d, offset %u\n", 99, xrtKernelArgGroupId(kernel, 99),
         xrtKernelArgOffset(kernel, 99));
}

static void print_buffer(xrtBufferHandle buffer) {
  unsigned char source[64], target[64];
  memset(source, 0x5a, sizeof source);
  memset(target, 0, sizeof target);
  unsigned char* map = xrtBOMap(buffer);
  printf("size %zu, mapped %d\n", xrtBOSize(buffer), map != NULL);
  memset(map, 0, BYTES);
  printf("write %d", xrtBOWrite(buffer, source, 64, 128));
  printf(", seen in the map %d\n", map[128] == 0x5a && map[127] == 0 && map[192] == 0);
  printf("read %d", xrtBORead(buffer, target, 64, 128));
  printf(", same %d\n", memcmp(source, target, 64) == 0);
  printf("write over the end %d\n", xrtBOWrite(buffer, source, 64, BYTES - 32));
  printf("read over the end %d\n", xrtBORead(buffer, target, 64, BYTES - 32));
  printf("sync to the device %d\n", xrtBOSync(buffer, XCL_BO_SYNC_BO_TO_DEVICE, BYTES, 0));
  printf("sync from the device %d\n", xrtBOSync(buffer, XCL_BO_SYNC_BO_FROM_DEVICE, 4096, 4096));
  xrtBufferHandle part = xrtBOSubAlloc(buffer, 4096, 4096);
  printf("part: size %zu, in the map %d\n", xrtBOSize(part), (unsigned char*)xrtBOMap(part) == map + 4096);
  printf("part sync %d\n", xrtBOSync(part, XCL_BO_SYNC_BO_TO_DEVICE, 4096, 0));
  printf("part sync over the parent's end %d\n", xrtBOSync(part, XCL_BO_SYNC_BO_TO_DEVICE, 4096, 64));
  printf("part over the end %d\n", xrtBOSubAlloc(buffer, 4096, 8192) != NULL);
  printf("free part %d\n", xrtBOFree(part));
}

static void print_run(xrtKernelHandle kernel, xrtBufferHandle* buffers) {
  xrtRunHandle run = xrtRunOpen(kernel);
  printf("run opened %d, state %d\n", run != NULL, xrtRunState(run));
  for (int i = 0; i < MEMORY_ARGUMENTS; ++i) printf("set %d: %d\n", i, xrtRunSetArg(run, i, buffers[i]));
  printf("set job: %d\n", xrtRunSetArg(run, MEMORY_ARGUMENTS, (uint32_t)3));
  printf("set a handle that is not open: %d\n", xrtRunSetArg(run, 0, (xrtBufferHandle)16));
  printf("set argument 99: %d\n", xrtRunSetArg(run, 99, buffers[0]));
  for (int i = 0; i < 3; ++i) {
    printf("start %d", xrtRunStart(run));
    printf(", wait %d", i == 0 ? xrtRunWait(run) : xrtRunWaitFor(run, 10000));
    printf(", state %d\n", xrtRunState(run));
  }
  printf("close %d", xrtRunClose(run));
  printf(", again %d\n", xrtRunClose(run));
  printf("closed: state %d, start %d, wait %d\n", xrtRunState(run), xrtRunStart(run), xrtRunWaitFor(run, 10));
}

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  print_xclbin(argv[1]);

  xrtDeviceHandle device = xrtDeviceOpen(0);
  printf("device opened %d\n", device != NULL);
  printf("absent xclbin: %d\n", xrtDeviceLoadXclbinFile(device, "/absent/file"));
  printf("load: %d\n", xrtDeviceLoadXclbinFile(device, argv[1]));
  xuid_t uuid;
  printf("uuid: %d\n", xrtDeviceGetXclbinUUID(device, uuid));
  print_uuid("uuid of the device", uuid);

  printf("kernel that does not exist: %d\n", xrtPLKernelOpen(device, uuid, "absent") != NULL);
  printf("compute unit that does not exist: %d\n", xrtPLKernelOpen(device, uuid, "accllm:{absent}") != NULL);
  xrtKernelHandle kernel = xrtPLKernelOpen(device, uuid, "accllm:{accllm_1}");
  printf("kernel opened %d\n", kernel != NULL);
  print_kernel(kernel);

  xrtBufferHandle buffers[MEMORY_ARGUMENTS];
  for (int i = 0; i < MEMORY_ARGUMENTS; ++i) {
    buffers[i] = xrtBOAlloc(device, BYTES, XRT_BO_FLAGS_NONE, (xrtMemoryGroup)xrtKernelArgGroupId(kernel, i));
    printf("buffer %d: %d\n", i, buffers[i] != NULL);
  }
  print_buffer(buffers[3]);
  print_run(kernel, buffers);

  for (int i = 0; i < MEMORY_ARGUMENTS; ++i) printf("free %d: %d\n", i, xrtBOFree(buffers[i]));
  printf("free again: %d, sync %d, map %d, address %d, size %d\n", xrtBOFree(buffers[0]),
         xrtBOSync(buffers[0], XCL_BO_SYNC_BO_TO_DEVICE, 64, 0), xrtBOMap(buffers[0]) != NULL,
         xrtBOAddress(buffers[0]) == UINT64_MAX, xrtBOSize(buffers[0]) == SIZE_MAX);
  printf("close kernel %d", xrtKernelClose(kernel));
  printf(", again %d\n", xrtKernelClose(kernel));
  printf("closed: group %d\n", xrtKernelArgGroupId(kernel, 0));
  printf("close device %d", xrtDeviceClose(device));
  printf(", again %d\n", xrtDeviceClose(device));
  return 0;
}
