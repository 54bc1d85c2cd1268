import { expect, it } from "vitest";
import { addressOf, type Handle, runStates, syncDirections, viewOf } from "../../host/device/xrt/binding.ts";
import type { XrtDevice } from "../../host/device/xrt/device.ts";

/** A device under test, opened with the xclbin loaded. */
export interface BindingSubject {
  open(): Promise<XrtDevice>;
  /** PCIe address that the library knows its first device by; undefined where it knows none. */
  readonly bdf: string | undefined;
  /** Whether sync moves bytes. */
  readonly moves: boolean;
}

const pageBytes = 4096;

/** The functions of XRT's C API one by one, as XRT's headers describe them. */
export function bindingContract({ open, bdf, moves }: BindingSubject): void {
  async function withGroup(body: (device: XrtDevice, kernel: Handle, group: number) => void | Promise<void>) {
    const device = await open();
    const { xrt } = device.library;
    const uuid = new Uint8Array(16);
    expect(xrt.xrtDeviceGetXclbinUUID(device.handle, uuid)).toBe(0);
    const kernel = xrt.xrtPLKernelOpen(device.handle, uuid, "accllm")!;
    expect(kernel).not.toBeNull();
    try {
      await body(device, kernel, xrt.xrtKernelArgGroupId(kernel, 3));
    } finally {
      expect(xrt.xrtKernelClose(kernel)).toBe(0);
      device.close();
    }
  }

  it("a device by its address is the device by its index", async () => {
    const device = await open();
    const { xrt } = device.library;
    expect(xrt.xrtDeviceOpenByBDF("0000:ff:1f.7")).toBeNull();
    if (bdf !== undefined) {
      const same = xrt.xrtDeviceOpenByBDF(bdf)!;
      expect(same).not.toBeNull();
      expect(xrt.xrtDeviceClose(same)).toBe(0);
    }
    device.close();
  });

  it("a buffer of the library's own: size, mapping without a copy, read and write", () =>
    withGroup((device, _kernel, group) => {
      const { xrt } = device.library;
      const buffer = xrt.xrtBOAlloc(device.handle, 2 * pageBytes, 0, group)!;
      expect(xrt.xrtBOSize(buffer)).toBe(2 * pageBytes);
      const map = new Uint8Array(viewOf(xrt.xrtBOMap(buffer)!, 2 * pageBytes));
      expect(xrt.xrtBOWrite(buffer, Uint8Array.of(1, 2, 3, 4), 4, 100)).toBe(0);
      expect([...map.subarray(99, 105)]).toEqual([map[99], 1, 2, 3, 4, map[104]]);
      map[102] = 77;
      const read = new Uint8Array(4);
      expect(xrt.xrtBORead(buffer, read, 4, 100)).toBe(0);
      expect([...read]).toEqual([1, 2, 77, 4]);
      expect(xrt.xrtBOWrite(buffer, read, 4, 2 * pageBytes - 2)).toBe(-1);
      expect(xrt.xrtBORead(buffer, read, 4, 2 * pageBytes - 2)).toBe(-1);
      expect(xrt.xrtBOFree(buffer)).toBe(0);
      expect(xrt.xrtBOFree(buffer)).toBe(-1);
    }));

  it("a sub-buffer is a range of its parent, on both sides", () =>
    withGroup((device, _kernel, group) => {
      const { xrt } = device.library;
      const parent = xrt.xrtBOAlloc(device.handle, 2 * pageBytes, 0, group)!;
      const part = xrt.xrtBOSubAlloc(parent, pageBytes, pageBytes)!;
      expect(xrt.xrtBOSize(part)).toBe(pageBytes);
      expect(BigInt(xrt.xrtBOAddress(part)) - BigInt(xrt.xrtBOAddress(parent))).toBe(BigInt(pageBytes));
      const map = new Uint8Array(viewOf(xrt.xrtBOMap(parent)!, 2 * pageBytes));
      map.fill(0);
      expect(xrt.xrtBOWrite(part, Uint8Array.of(9), 1, 0)).toBe(0);
      expect(map[pageBytes]).toBe(9);
      expect(xrt.xrtBOSync(part, syncDirections.toDevice, pageBytes, 0)).toBe(0);
      expect(xrt.xrtBOSync(part, syncDirections.toDevice, pageBytes, 64)).toBe(-1);
      expect(xrt.xrtBOSubAlloc(parent, pageBytes, 2 * pageBytes)).toBeNull();
      if (moves) {
        map[pageBytes] = 0;
        expect(xrt.xrtBOSync(parent, syncDirections.fromDevice, 2 * pageBytes, 0)).toBe(0);
        expect(map[pageBytes]).toBe(9);
      }
      expect(xrt.xrtBOFree(part)).toBe(0);
      expect(xrt.xrtBOFree(parent)).toBe(0);
    }));

  it("a buffer on memory of the caller's: nothing is copied, and it must start on a page", () =>
    withGroup((device, _kernel, group) => {
      const { xrt } = device.library;
      const memory = new Uint8Array(3 * pageBytes);
      const skip = Number(-addressOf(memory) & BigInt(pageBytes - 1));
      const own = memory.subarray(skip, skip + pageBytes);
      const buffer = xrt.xrtBOAllocUserPtr(device.handle, addressOf(own), pageBytes, 0, group)!;
      expect(buffer).not.toBeNull();
      expect(xrt.xrtBOWrite(buffer, Uint8Array.of(5), 1, 10)).toBe(0);
      expect(own[10]).toBe(5);
      own[11] = 6;
      const read = new Uint8Array(2);
      expect(xrt.xrtBORead(buffer, read, 2, 10)).toBe(0);
      expect([...read]).toEqual([5, 6]);
      expect(xrt.xrtBOFree(buffer)).toBe(0);
      expect(xrt.xrtBOAllocUserPtr(device.handle, addressOf(own) + 1n, 64, 0, group)).toBeNull();
    }));

  it("groups of arguments: those of memory have one, others do not", () =>
    withGroup((device, kernel) => {
      const { xrt } = device.library;
      for (const index of [0, 1, 2, 3, 4]) {
        expect(xrt.xrtKernelArgGroupId(kernel, index)).toBeGreaterThanOrEqual(0);
      }
      expect(xrt.xrtKernelArgGroupId(kernel, 99)).toBeLessThan(0);
    }));

  it("a run: states, starting again, and closing once", () =>
    withGroup(async (device, kernel, group) => {
      const { xrt } = device.library;
      const run = xrt.xrtRunOpen(kernel)!;
      expect(xrt.xrtRunState(run)).toBe(runStates.new);
      const buffers = [0, 1, 2, 3, 4].map((index) => {
        const bank = xrt.xrtKernelArgGroupId(kernel, index);
        const buffer = xrt.xrtBOAlloc(device.handle, pageBytes, 0, bank)!;
        expect(xrt.xrtRunSetArg(run, index, "void *", buffer)).toBe(0);
        return buffer;
      });
      expect(xrt.xrtRunSetArg(run, 5, "uint32_t", 1)).toBe(0);
      expect(xrt.xrtRunSetArg(run, 99, "uint32_t", 1)).toBe(-1);
      expect(group).toBeGreaterThanOrEqual(0);
      for (let i = 0; i < 3; i++) {
        expect(xrt.xrtRunStart(run)).toBe(0);
        const state = await new Promise<number>((resolve) =>
          xrt.xrtRunWaitFor.async(run, 10_000, (_error, final) => resolve(final)),
        );
        expect(state).toBe(runStates.completed);
        expect(xrt.xrtRunState(run)).toBe(runStates.completed);
      }
      expect(xrt.xrtRunClose(run)).toBe(0);
      expect(xrt.xrtRunClose(run)).toBe(-1);
      for (const buffer of buffers) expect(xrt.xrtBOFree(buffer)).toBe(0);
    }));
}
