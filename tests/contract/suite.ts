import { readFileSync, statSync } from "node:fs";
import { open as openFile } from "node:fs/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import type { Device, DeviceBuffer, Kernel } from "../../host/device/device.ts";
import { FileMapping } from "../../host/device/file-mapping.ts";
import { type Platform, platforms } from "../../quant/format/platform.ts";

/** Ports that every platform has, and the second weight channel. */
type Port = "w0" | "w1" | "kv0" | "table" | "io";

/** A device under test and what can be seen on it. */
export interface Subject {
  open(): Promise<Device>;
  xclbin(): string;
  /** Whether runs execute a kernel and memory is behind the buffers. XRT in noop mode does neither. */
  readonly executes: boolean;
  /** Writes jobs 0 to 7 without commands into io; absent where the stand-in kernel takes any. */
  readonly writeJobs?: (io: DeviceBuffer) => void;
  /** What the xclbin was built for; default tiny. */
  readonly platform?: Platform;
}

/** The tests that every implementation of XRT's C API passes. */
export function deviceContract(subject: Subject): void {
  const platform = subject.platform ?? platforms.tiny!;
  const names = platform.kernelArguments.map(({ name }) => name);
  const ports = names.filter((name) => name !== "job");
  const bank = platform.banks[0]!;
  let device: Device;
  beforeEach(async () => {
    device = await subject.open();
  });
  afterEach(() => device.close());

  function openKernel(): Kernel {
    device.load(subject.xclbin());
    return device.openKernel("accllm");
  }

  function allocateAll(kernel: Kernel, bytes = 4096): Record<Port, DeviceBuffer> {
    const buffers: Record<Port, DeviceBuffer> = Object.fromEntries(
      ports.map((name) => [name, kernel.allocate(name, bytes)]),
    ) as never;
    subject.writeJobs?.(buffers.io);
    return buffers;
  }

  it("loads an xclbin and reports its UUID", () => {
    expect(device.uuid).toBeUndefined();
    device.load(subject.xclbin());
    expect(device.uuid).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  });

  it("loads the same xclbin twice", () => {
    device.load(subject.xclbin());
    expect(() => device.load(subject.xclbin())).not.toThrow();
  });

  it("knows the kernel's arguments in order", () => {
    expect(openKernel().arguments).toEqual(names);
  });

  it("refuses a kernel that the xclbin does not have", () => {
    device.load(subject.xclbin());
    expect(() => device.openKernel("vadd")).toThrowError(expect.objectContaining({ code: "KERNEL_UNKNOWN" }));
  });

  it("refuses to open a kernel before an xclbin is loaded", () => {
    expect(() => device.openKernel("accllm")).toThrowError(
      expect.objectContaining({ code: "XCLBIN_MISSING" }),
    );
  });

  it("maps a buffer's host side without copying: writes are seen through every mapping", () => {
    const buffer = openKernel().allocate("table", 8192);
    buffer.map()[8191] = 42;
    expect(buffer.map()[8191]).toBe(42);
    expect(buffer.map()).toHaveLength(8192);
    expect(
      buffer
        .map()
        .slice(0, 8191)
        .every((byte) => byte === 0),
    ).toBe(true);
  });

  it("refuses a buffer over its bank, and names bank and size", () => {
    const kernel = openKernel();
    const over = bank.bytes + 1;
    expect(() => kernel.allocate("w0", over)).toThrowError(
      expect.objectContaining({
        code: "BUFFER_TOO_LARGE",
        message: expect.stringMatching(new RegExp(`${over}.*HBM\\[0\\]`)),
      }),
    );
  });

  it("refuses a buffer for a scalar and for an argument that does not exist", () => {
    const kernel = openKernel();
    expect(() => kernel.allocate("job", 64)).toThrowError(
      expect.objectContaining({ code: "BANK_NOT_CONNECTED" }),
    );
    expect(() => kernel.allocate("w99", 64)).toThrowError(
      expect.objectContaining({ code: "ARGUMENT_UNKNOWN" }),
    );
  });

  it("refuses a sync over the end or off the memory's width", () => {
    const buffer = openKernel().allocate("io", 4096);
    for (const [bytes, offset] of [
      [4097, 0],
      [64, 4096],
      [64, 32],
      [-64, 0],
      [64, -64],
    ] as const) {
      expect(() => buffer.sync("toDevice", bytes, offset)).toThrowError(
        expect.objectContaining({ code: "SYNC_OUT_OF_RANGE" }),
      );
    }
    expect(() => buffer.sync("toDevice", 64, 4032)).not.toThrow();
    expect(() => buffer.sync("fromDevice")).not.toThrow();
  });

  it("runs the kernel to completion, again and again", async () => {
    const kernel = openKernel();
    const buffers = allocateAll(kernel);
    for (let job = 0; job < 5; job++) await kernel.run({ ...buffers, job });
  });

  it("leaves the event loop free while the kernel runs", async () => {
    const kernel = openKernel();
    let turns = 0;
    const ticking = setInterval(() => turns++, 1);
    await kernel.run({ ...allocateAll(kernel), job: 0 });
    await new Promise((resolve) => setTimeout(resolve, 5));
    clearInterval(ticking);
    expect(turns).toBeGreaterThan(0);
  });

  it("refuses to run with an argument missing, of the wrong kind or unknown", async () => {
    const kernel = openKernel();
    const buffers = allocateAll(kernel);
    await expect(kernel.run({ ...buffers })).rejects.toMatchObject({ code: "ARGUMENT_WRONG" });
    await expect(kernel.run({ ...buffers, io: 1, job: 0 })).rejects.toMatchObject({ code: "ARGUMENT_WRONG" });
    await expect(kernel.run({ ...buffers, job: 0, extra: 0 })).rejects.toMatchObject({
      code: "ARGUMENT_UNKNOWN",
    });
    await kernel.run({ ...buffers, job: 0 });
  });

  it("does not start when the signal has fired already", async () => {
    const kernel = openKernel();
    const run = kernel.run({ ...allocateAll(kernel), job: 0 }, { signal: AbortSignal.abort() });
    await expect(run).rejects.toMatchObject({ code: "INTERRUPTED", exitCode: 130 });
  });

  it("closes buffer, kernel and device in any order, and twice", () => {
    const kernel = openKernel();
    const buffer = kernel.allocate("w1", 4096);
    const view = buffer.map();
    device.close();
    buffer.close();
    kernel.close();
    device.close();
    expect(() => buffer.map()).toThrowError(expect.objectContaining({ code: "BUFFER_CLOSED" }));
    expect(() => kernel.allocate("w1", 64)).toThrowError(expect.objectContaining({ code: "KERNEL_CLOSED" }));
    expect(() => device.load(subject.xclbin())).toThrowError(
      expect.objectContaining({ code: "DEVICE_CLOSED" }),
    );
    // The memory outlives the buffer: touching an old view is harmless.
    view[0] = 1;
    expect(view[0]).toBe(1);
  });

  it("takes a mapped file as a buffer's host side, sends it from another thread, and lets go of it", async () => {
    const kernel = openKernel();
    const bytes = statSync(subject.xclbin()).size;
    const file = await openFile(subject.xclbin(), "r");
    const host = FileMapping.of({ descriptor: file.fd, offset: 0, bytes }, 2 * bytes)!;
    await file.close();
    const buffer = kernel.allocate("table", 2 * bytes, host);
    const view = buffer.map();
    expect(Buffer.compare(view.subarray(0, bytes), readFileSync(subject.xclbin()))).toBe(0);
    const sent = buffer.send(2 * bytes, 0);
    expect(() => buffer.close()).toThrowError(expect.objectContaining({ code: "BUFFER_IN_USE" }));
    await sent;
    await expect(buffer.send(64, 32)).rejects.toMatchObject({ code: "SYNC_OUT_OF_RANGE" });
    if (subject.executes) {
      view.fill(0);
      buffer.sync("fromDevice");
      expect(Buffer.compare(view.subarray(0, bytes), readFileSync(subject.xclbin()))).toBe(0);
    }
    buffer.close();
    expect(view.every((byte) => byte === 0)).toBe(true);
    const wrong = FileMapping.of({ descriptor: -1, offset: 0, bytes: 0 }, 64)!;
    expect(() => kernel.allocate("table", 128, wrong)).toThrowError(
      expect.objectContaining({ code: "BUFFER_SIZE" }),
    );
    wrong.close();
  });

  if (!subject.executes) return;

  it("gives buffers addresses on a page, apart from each other", () => {
    const kernel = openKernel();
    const buffers = [kernel.allocate("w0", 100), kernel.allocate("w0", 100), kernel.allocate("w0", 100)];
    const addresses = buffers.map((buffer) => buffer.address);
    expect(new Set(addresses).size).toBe(3);
    expect(addresses.every((address) => address % 4096n === 0n)).toBe(true);
  });

  it("shows the kernel only what was synced", async () => {
    const kernel = openKernel();
    const buffers = allocateAll(kernel);
    const word = (buffer: DeviceBuffer, index: number) =>
      new DataView(buffer.map().buffer, buffer.map().byteOffset).getUint32(index * 4, true);
    const table = new DataView(buffers.table.map().buffer, buffers.table.map().byteOffset);
    table.setUint32(0, 0xcafe, true);
    buffers.table.sync("toDevice");
    table.setUint32(0, 0xbeef, true);
    await kernel.run({ ...buffers, job: 7 });
    expect(word(buffers.io, 0)).toBe(0);
    buffers.io.sync("fromDevice");
    expect(word(buffers.io, 0)).toBe(7);
    expect(word(buffers.io, 3)).toBe(0xcafe);
    buffers.table.sync("toDevice", 64);
    await kernel.run({ ...buffers, job: 8 });
    buffers.io.sync("fromDevice", 64);
    expect(word(buffers.io, 3)).toBe(0xbeef);
  });

  it("hands every port its own buffer", async () => {
    const kernel = openKernel();
    const buffers = allocateAll(kernel);
    buffers.w0.map()[0] = 11;
    buffers.w1.map()[0] = 22;
    buffers.kv0.map()[0] = 33;
    for (const name of ["w0", "w1", "kv0"] as const) buffers[name].sync("toDevice");
    await kernel.run({ ...buffers, job: 1 });
    buffers.io.sync("fromDevice");
    const io = buffers.io.map();
    const words = new Uint32Array(io.buffer, io.byteOffset, 8);
    expect([...words]).toEqual([1, 2, 1, 0, 4096, 11, 22, 33]);
  });

  it("refuses a buffer in a bank that the argument is not connected to", async () => {
    const kernel = openKernel();
    const buffers = allocateAll(kernel);
    const wrong = kernel.run({ ...buffers, w0: buffers.kv0, job: 0 });
    await expect(wrong).rejects.toMatchObject({
      code: "ARGUMENT_NOT_SET",
      message: expect.stringContaining("HBM[2]"),
    });
    await kernel.run({ ...buffers, job: 0 });
  });

  it("refuses what is too much for a bank together, and takes it again when freed", () => {
    const kernel = openKernel();
    const half = 160 * 2 ** 20;
    const first = kernel.allocate("w0", half);
    expect(() => kernel.allocate("w0", half)).toThrowError(
      expect.objectContaining({ code: "OUT_OF_DEVICE_MEMORY", message: expect.stringContaining("ENOMEM") }),
    );
    first.close();
    kernel.allocate("w0", half).close();
  });
}
