import { closeSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { Kernel, KernelArgument } from "../../host/device/device.ts";
import { faultKinds } from "../../host/device/xrt/binding.ts";
import type { XrtDevice } from "../../host/device/xrt/device.ts";
import { bindingContract } from "./binding-suite.ts";
import { useEmulator } from "./emulator-fixture.ts";
import { deviceContract } from "./suite.ts";

const jobUntilCancelled = 0xffffffff;
const jobThrows = 0xfffffffe;

const emulator = useEmulator();
const { open } = emulator;

describe("device contract: emulator", () => {
  deviceContract({ open, xclbin: () => emulator.workspace.xclbin, executes: true });
});

describe("XRT's functions one by one: emulator", () => {
  bindingContract({
    open: async () => {
      const device = await open();
      device.load(emulator.workspace.xclbin);
      return device;
    },
    bdf: "0000:00:00.0",
    moves: true,
  });
});

describe("emulator: a buffer that takes a file", () => {
  const pages = Uint8Array.from({ length: 3 * 4096 }, (_, i) => (i * 7 + (i >> 12)) % 251);
  let path: string;
  let device: XrtDevice;
  beforeEach(async () => {
    path = join(emulator.workspace.folder, "pages");
    writeFileSync(path, pages);
    device = await open();
    device.load(emulator.workspace.xclbin);
  });
  afterEach(() => device.close());

  it("has its whole pages on the device's side, and leaves the file alone where they are written", () => {
    const kernel = device.openKernel("accllm");
    const buffer = kernel.allocate("w0", 2 * 4096 + 128);
    const file = openSync(path, "r");
    const taken = buffer.takeFile?.({ descriptor: file, offset: 4096, bytes: 4096 + 128 });
    closeSync(file);
    expect(taken).toBe(4096);
    expect(buffer.map()[0]).toBe(0);
    buffer.sync("fromDevice");
    expect(Buffer.compare(buffer.map().subarray(0, 4096), pages.subarray(4096, 8192))).toBe(0);
    expect(
      buffer
        .map()
        .subarray(4096)
        .every((byte) => byte === 0),
    ).toBe(true);

    buffer.map().fill(9, 64, 128);
    buffer.sync("toDevice", 64, 64);
    buffer.map().fill(0);
    buffer.sync("fromDevice", 192);
    expect([...buffer.map().subarray(63, 66), buffer.map()[128]]).toEqual([pages[4159], 9, 9, pages[4224]]);
    expect(Buffer.compare(readFileSync(path), pages)).toBe(0);

    // Memory that is given back holds nothing of it.
    buffer.close();
    const next = kernel.allocate("w0", 2 * 4096 + 128);
    next.sync("fromDevice");
    expect(next.map().every((byte) => byte === 0)).toBe(true);
  });

  it("takes nothing past its end, or from the middle of a page", () => {
    const buffer = device.openKernel("accllm").allocate("w0", 4096);
    const file = openSync(path, "r");
    const take = (offset: number, bytes: number) => buffer.takeFile?.({ descriptor: file, offset, bytes });
    expect([take(0, 8192), take(64, 4096), take(0, 100)]).toEqual([0, 0, 0]);
    closeSync(file);
    expect(take(0, 4096)).toBe(0);
    buffer.sync("fromDevice");
    expect(buffer.map().every((byte) => byte === 0)).toBe(true);
  });
});

describe("emulator: faults", () => {
  let device: XrtDevice;
  let kernel: Kernel;
  let args: Record<string, KernelArgument>;

  beforeEach(async () => {
    device = await open();
    device.load(emulator.workspace.xclbin);
    kernel = device.openKernel("accllm");
    args = { job: 1 };
    for (const name of ["w0", "w1", "kv0", "table", "io"]) args[name] = kernel.allocate(name, 4096);
  });
  afterEach(() => device.close());

  function fault(kind: keyof typeof faultKinds, address = 0n, bit = 0): void {
    expect(device.library.emulator?.accllmEmuSetFault(device.handle, faultKinds[kind], address, bit)).toBe(0);
  }

  it("a run that never completes times out, and the device is usable after", async () => {
    fault("runHangs");
    await expect(kernel.run(args, { timeoutMs: 50 })).rejects.toMatchObject({
      code: "RUN_TIMEOUT",
      exitCode: 4,
    });
    fault("none");
    await kernel.run(args);
    expect(device.closed).toBe(false);
  });

  it("a run that never completes times out after short ones too, for which a wait stays awake", async () => {
    for (let i = 0; i < 3; i++) await kernel.run(args);
    fault("runHangs");
    await expect(kernel.run(args, { timeoutMs: 20 })).rejects.toMatchObject({ code: "RUN_TIMEOUT" });
    fault("none");
    await kernel.run(args);
  });

  it("a run is interrupted by its signal, and the device is usable after", async () => {
    const stop = new AbortController();
    const run = kernel.run({ ...args, job: jobUntilCancelled }, { signal: stop.signal });
    setTimeout(() => stop.abort(), 30);
    await expect(run).rejects.toMatchObject({ code: "INTERRUPTED" });
    await kernel.run(args);
  });

  it("a run that ends in the error state is an error, and the device is usable after", async () => {
    fault("runFails");
    await expect(kernel.run(args)).rejects.toMatchObject({ code: "RUN_FAILED" });
    fault("none");
    await kernel.run(args);
  });

  it("an engine that throws is a run in the error state", async () => {
    await expect(kernel.run({ ...args, job: jobThrows })).rejects.toMatchObject({ code: "RUN_FAILED" });
    await kernel.run(args);
  });

  it("a flipped bit is what the kernel reads", async () => {
    const table = args.table;
    if (table === undefined || typeof table === "number") throw new Error("no table");
    fault("bitFlip", table.address + 1n, 3);
    await kernel.run(args);
    const { io } = args;
    if (io === undefined || typeof io === "number") throw new Error("no io");
    io.sync("fromDevice");
    expect(io.map()[13]).toBe(8);
    expect(table.map()[1]).toBe(0);
  });

  it("a bit outside every buffer cannot be flipped", () => {
    expect(device.library.emulator?.accllmEmuSetFault(device.handle, faultKinds.bitFlip, 1n << 40n, 0)).toBe(
      -1,
    );
  });

  it("out of device memory is said so", () => {
    fault("outOfMemory");
    expect(() => kernel.allocate("w0", 64)).toThrowError(
      expect.objectContaining({ code: "OUT_OF_DEVICE_MEMORY", message: expect.stringContaining("ENOMEM") }),
    );
    fault("none");
    kernel.allocate("w0", 64);
  });

  it("a device lost while a kernel runs ends the run, fails every call, and another can be opened", async () => {
    const run = kernel.run({ ...args, job: jobUntilCancelled });
    setTimeout(() => fault("deviceLost"), 30);
    await expect(run).rejects.toMatchObject({ code: "DEVICE_LOST" });
    await expect(kernel.run(args)).rejects.toMatchObject({
      code: "DEVICE_LOST",
      message: expect.stringContaining("ENODEV"),
    });
    expect(() => kernel.allocate("w0", 64)).toThrowError(expect.objectContaining({ exitCode: 4 }));
    device.close();
    const next = await open();
    next.load(emulator.workspace.xclbin);
    next.close();
  });

  it("closing the device ends a run under way", async () => {
    const run = kernel.run({ ...args, job: jobUntilCancelled });
    setTimeout(() => device.close(), 20);
    await expect(run).rejects.toMatchObject({ code: "DEVICE_CLOSED" });
  });

  it("frozen arguments are those of their own runs, and a buffer among them may be in use or closed", async () => {
    const { io } = args;
    if (io === undefined || typeof io === "number") throw new Error("no io");
    const tables = [5, 6].map((value) => {
      const table = kernel.allocate("table", 4096);
      table.map()[1] = value;
      table.sync("toDevice");
      return table;
    });
    const [five, six] = tables.map((table) => Object.freeze({ ...args, table }));
    for (const [frozen, value] of [
      [five, 5],
      [five, 5],
      [six, 6],
      [five, 5],
    ] as const) {
      await kernel.run(frozen!);
      io.sync("fromDevice");
      expect(io.map()[13]).toBe(value);
    }
    const stop = new AbortController();
    const hanging = Object.freeze({ ...five, job: jobUntilCancelled });
    const run = kernel.run(hanging, { signal: stop.signal });
    expect(() => tables[0]!.close()).toThrowError(expect.objectContaining({ code: "BUFFER_IN_USE" }));
    stop.abort();
    await expect(run).rejects.toMatchObject({ code: "INTERRUPTED" });
    await kernel.run(five!);
    tables[0]!.close();
    await expect(kernel.run(five!)).rejects.toMatchObject({ code: "BUFFER_CLOSED" });
  });

  it("a buffer that a running kernel uses cannot be closed", async () => {
    const stop = new AbortController();
    const run = kernel.run({ ...args, job: jobUntilCancelled }, { signal: stop.signal });
    const { io } = args;
    if (io === undefined || typeof io === "number") throw new Error("no io");
    expect(() => io.close()).toThrowError(expect.objectContaining({ code: "BUFFER_IN_USE" }));
    stop.abort();
    await expect(run).rejects.toMatchObject({ code: "INTERRUPTED" });
    io.close();
  });
});
