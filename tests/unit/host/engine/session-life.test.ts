import { describe, expect, it } from "vitest";
import { Session } from "../../../../host/engine/session.ts";
import { InterruptedError } from "../../../../host/errors.ts";
import { FakeDevice, type FakeRun } from "./fake-device.ts";
import { filledImage, imageHeader, smallShape } from "./memory-image.ts";

import { finish, open } from "./session-fixtures.ts";

describe("Session, from opening to closing", () => {
  it("runs one call at a time", async () => {
    let release = () => {};
    const { session } = await open(async (run) => {
      await new Promise<void>((resolve) => {
        release = resolve;
      });
      finish(run);
    });
    const first = session.prefill([1, 2]);
    await expect(session.decode(1)).rejects.toMatchObject({ code: "SESSION_BUSY" });
    expect(() => session.reset()).toThrow(expect.objectContaining({ code: "SESSION_BUSY" }));
    release();
    expect((await first)[0]).toBe(2001);
    await session.close();
  });

  it("has started a token's run when decode returns; what was known before stays known until it ends", async () => {
    let release = () => {};
    const { session, jobs } = await open(async (run) => {
      if (jobs.length > 1) {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
      }
      finish(run, { code: jobs.length > 2 ? 5 : 0 });
    });
    await session.prefill([1, 2]);
    const before = session.lastStatus;
    const second = session.decode(3);
    expect([jobs.length, session.position, session.lastStatus === before]).toEqual([2, 2, true]);
    expect(() => session.readKv(0, 0)).toThrow(expect.objectContaining({ code: "SESSION_BUSY" }));
    expect(() => session.trace()).toThrow(expect.objectContaining({ code: "SESSION_BUSY" }));
    release();
    await second;
    expect([session.position, session.lastStatus === before]).toEqual([3, false]);
    const third = session.decode(4);
    release();
    await expect(third).rejects.toMatchObject({ code: "NON_FINITE" });
    expect([session.position, session.lastStatus]).toEqual([3, undefined]);
    await session.close();
  });

  /** A kernel that runs until its signal has fired, which it asks now and then as a device does. */
  const untilAborted = async ({ options }: FakeRun): Promise<void> => {
    while (options.signal?.aborted !== true) await new Promise((resolve) => setImmediate(resolve));
    throw new InterruptedError();
  };

  it("passes the caller's signal to the run, and does not start once it has fired", async () => {
    const { session, jobs } = await open(untilAborted);
    const stop = new AbortController();
    const call = session.prefill([1], stop.signal);
    stop.abort();
    await expect(call).rejects.toMatchObject({ exitCode: 130 });
    await expect(session.decode(1, stop.signal)).rejects.toMatchObject({ exitCode: 130 });
    expect(jobs.length).toBe(1);
    expect(session.position).toBe(0);
    await session.close();
  });

  it("ends a running call before it frees anything, buffers before the kernel, and closes once", async () => {
    const { session, device } = await open(
      (run) => untilAborted(run).finally(() => device.log.push("run ended")),
      { ownsDevice: true },
    );
    const call = expect(session.prefill([1])).rejects.toMatchObject({ exitCode: 130 });
    await Promise.all([session.close(), session.close()]);
    await call;
    expect(device.log).toEqual([
      "open accllm",
      "run ended",
      "close io",
      "close table",
      "close kv0",
      "close w1",
      "close w0",
      "close kernel",
      "close device",
    ]);
    await session.close();
    await expect(session.decode(1)).rejects.toMatchObject({ code: "SESSION_CLOSED" });
    session.reset();
    expect(device.log.length).toBe(9);
  });

  it("leaves a device open that it does not own", async () => {
    const { session, device } = await open(finish);
    await session.close();
    expect(device.log.at(-1)).toBe("close kernel");
  });

  it("refuses what a card's kernel was not compiled for, before anything is allocated", async () => {
    const device = new FakeDevice();
    const image = filledImage(imageHeader(smallShape));
    // The emulator takes it.
    await (await Session.open({ device, image, window: 5000 })).close();
    device.emulated = false;
    device.log.splice(0);
    const options = { device, image, ownsDevice: true };
    await expect(Session.open(options)).rejects.toMatchObject({
      code: "KERNEL_LIMITS",
      message: expect.stringMatching(/head size of \d+; the kernel takes multiples of 64/),
    });
    expect(device.log).toEqual(["open accllm", "close kernel", "close device"]);
    const wide = filledImage(imageHeader({ ...smallShape, headDim: 64 }));
    await expect(Session.open({ ...options, image: wide, window: 5000 })).rejects.toMatchObject({
      code: "BAD_WINDOW",
      message: expect.stringMatching(/a window of 5000; the kernel takes at most \d+ together/),
    });
  });

  it("frees what it had when opening fails: no memory, unreadable image, interruption, unknown kernel", async () => {
    const device = new FakeDevice();
    const image = filledImage(imageHeader(smallShape));
    const options = { device, image, ownsDevice: true };
    device.failAllocation = "table";
    await expect(Session.open(options)).rejects.toMatchObject({ code: "BUFFER_ALLOCATION" });
    const closed = ["close kv0", "close w1", "close w0", "close kernel", "close device"];
    expect(device.log.splice(0)).toEqual(["open accllm", ...closed]);

    device.failAllocation = undefined;
    const broken = { ...image, readSection: () => Promise.reject(new Error("unreadable")) };
    await expect(Session.open({ ...options, image: broken })).rejects.toThrow("unreadable");
    expect(device.log.splice(0)).toEqual(["open accllm", "close io", "close table", ...closed]);

    const stop = new AbortController();
    const stopping = { ...image, readSection: async () => stop.abort() };
    await expect(Session.open({ ...options, image: stopping, signal: stop.signal })).rejects.toMatchObject({
      exitCode: 130,
    });
    expect(device.log.splice(0)).toEqual(["open accllm", "close io", "close table", ...closed]);

    device.argumentNames = ["a", "b"];
    await expect(Session.open(options)).rejects.toMatchObject({ code: "UNKNOWN_KERNEL" });
    expect(device.log).toEqual(["open accllm", "close kernel", "close device"]);
  });

  it("reads traces of the last block, codes after their scale, the head's only where logits are wanted", async () => {
    const { session, device } = await open(finish, { trace: true });
    expect(() => session.trace()).toThrow(expect.objectContaining({ code: "NO_TRACE" }));
    await session.prefill([4, 5, 6]);
    const { dumps } = session.plan.forward;
    const io = new DataView(device.buffers.get("io")!.device.buffer);
    // The second dump is the first layer's a.
    io.setFloat32(64 * (dumps[1]!.ioOffset + dumps[1]!.rowBeats), 0.5, true);
    io.setFloat32(64 * (dumps[1]!.ioOffset + dumps[1]!.rowBeats) + 4, -127, true);
    const trace = session.trace();
    // The last layer's norm, keys and values of all tokens, the rest of it and the last norm of one.
    expect(trace.length).toBe(3 * (1 + 13 + 3) + 10 + 1);
    expect(trace[0]).toMatchObject({ operation: "embed", buffer: "x", layer: undefined, position: 0 });
    expect(trace[4]).toMatchObject({ operation: "norm", buffer: "a", layer: 0, position: 1 });
    expect([...trace[4]!.values]).toEqual([0.5, -127, ...new Array(19).fill(0)]);
    expect(trace.at(-1)).toMatchObject({ operation: "norm", layer: undefined, position: 2 });
    await session.close();
  });

  it("reads one layer's cache from the device's side", async () => {
    const { session, device } = await open(finish);
    const { layerBeats } = session.plan.kv;
    const kv = device.buffers.get("kv0")!.device;
    kv[64 * layerBeats] = 77;
    const bytes = session.readKv(1, 0);
    expect(bytes.length).toBe(64 * layerBeats);
    expect(bytes[0]).toBe(77);
    session.clearKv();
    expect(kv[64 * layerBeats]).toBe(0);
    await session.close();
  });
});
